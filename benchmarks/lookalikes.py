"""Pictures of different things that share what is around or over them: none is a copy of another.

Of a kind, all have the same frame, page, app, watermark or layout, and each another photograph,
other words or other data.

    python benchmarks/lookalikes.py FOLDER [--half 0|1] [--photos N]

FOLDER holds photographs, each a different scene, halved as by copies.py. Of each kind, half of the
pictures are stored, and the others looked up among these alone: so each search meets as many
pictures of its kind as it has candidates, which is worse than any real collection. Printed is how
many find something at the default threshold; the fewer, the better. Then copies of those stored are
looked up, edited as by ``COPIES``, and it is printed how many are found: the more, the better.
What counts as evidence was chosen after looking at these kinds on one half of the photographs;
nothing was fitted to them.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import edits
import numpy as np
import overlays
from copies import SEED, halved, machine
from measures import nearly_sure
from overlays import BICUBIC, any_colour, write
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from unseen import covers, layouts, rephotographed

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.search import CLOSEST, build_candidate_query, select_worth_comparing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_visualsnoop.engine.matching.relation import Relation

    #: Takes a photograph, dice that are the same for all pictures of the kind, and own dice.
    Make = Callable[[Image.Image, random.Random, random.Random], Image.Image]

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _word(dice: random.Random) -> str:
    return "".join(dice.choice(_LETTERS) for _ in range(dice.randint(2, 9)))


def _line(dice: random.Random, words: int) -> str:
    return " ".join(_word(dice) for _ in range(words))


def text_page(_: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    """Write a letter under a letterhead that all share."""
    page = Image.new("RGB", (850, 1100), "white")
    write(page, (80, 40), "Example & Sons, Trading since 1904", 30)
    ImageDraw.Draw(page).line((80, 84, 770, 84), "black", 2)
    for line in range(36):
        write(page, (80, 120 + 25 * line), _line(own, 11)[:72], 18)
    return page


def scanned_page(photo: Image.Image, same: random.Random, own: random.Random) -> Image.Image:
    page = text_page(photo, same, own).rotate(own.uniform(-1.5, 1.5), BICUBIC, fillcolor="white")
    return edits.noisy(page.filter(ImageFilter.GaussianBlur(0.8)), own)


def form(_: Image.Image, same: random.Random, own: random.Random) -> Image.Image:
    """Fill in a form with twelve boxes."""
    page = Image.new("RGB", (850, 1100), "white")
    draw = ImageDraw.Draw(page)
    write(page, (80, 40), "Application for a parking permit", 34)
    for box in range(12):
        write(page, (80, 110 + 80 * box), _line(same, 3), 16)
        draw.rectangle((80, 132 + 80 * box, 770, 172 + 80 * box), outline="black")
        write(page, (95, 138 + 80 * box), _line(own, 4), 26, "#222288")
    return page


def chat(_: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    """Show a talk in an app."""
    screen = Image.new("RGB", (540, 1100), "#e9ddd2")
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 540, 90), "#075e54")
    draw.ellipse((60, 20, 110, 70), any_colour(own))
    write(screen, (125, 26), _word(own).title(), 28, "white")
    top = 110
    while top < 980:
        lines, left = own.randint(1, 3), own.choice([20, 150])
        draw.rounded_rectangle(
            (left, top, left + 370, top + 16 + 28 * lines), 12, "white" if left == 20 else "#dcf8c6"
        )
        for line in range(lines):
            write(screen, (left + 14, top + 6 + 28 * line), _line(own, 5)[:27], 22)
        top += 32 + 28 * lines
    draw.rounded_rectangle((20, 1030, 450, 1085), 26, "white")
    draw.ellipse((470, 1030, 525, 1085), "#128c7e")
    return screen


def logo(_: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    """Draw a simple sign over a name, on white."""
    page = Image.new("RGB", (600, 500), "white")
    draw, colour = ImageDraw.Draw(page), any_colour(own)
    for _part in range(own.randint(1, 3)):
        place = 300 + own.uniform(-60, 60), 190 + own.uniform(-40, 40)
        shape = own.choice([0, 3, 4, 5, 6])
        size = own.uniform(50, 110)
        if shape:
            draw.regular_polygon((*place, size), shape, own.randrange(90), fill=colour)
        else:
            box = place[0] - size, place[1] - size, place[0] + size, place[1] + size
            draw.ellipse(box, None, colour, own.randint(10, 40))
    write(page, (180, 350), _word(own).upper(), 60)
    return page


def chart(_: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    """Draw bars over the months."""
    page = Image.new("RGB", (800, 500), "white")
    draw = ImageDraw.Draw(page)
    for line in range(6):
        draw.line((70, 60 + 70 * line, 760, 60 + 70 * line), "#cccccc")
        write(page, (20, 50 + 70 * line), str(100 - 20 * line), 18)
    for month in range(12):
        left = 85 + 56 * month
        draw.rectangle((left, 410 - own.uniform(10, 340), left + 36, 410), "#3366cc")
        write(page, (left, 416), "JFMAMJJASOND"[month], 20)
    write(page, (300, 10), _line(own, 3), 24)
    return page


def square_code(_: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    """Draw a square of black and white cells with three large corners, as codes to scan have."""
    cells = 33
    small = Image.new("L", (cells, cells), 255)
    small.putdata([own.choice([0, 255]) for _ in range(cells * cells)])
    draw = ImageDraw.Draw(small)
    for left, top in ((0, 0), (cells - 8, 0), (0, cells - 8)):
        draw.rectangle((left, top, left + 7, top + 7), 255)
        left, top = left + (left > 0), top + (top > 0)
        draw.rectangle((left, top, left + 6, top + 6), 0)
        draw.rectangle((left + 1, top + 1, left + 5, top + 5), 255)
        draw.rectangle((left + 2, top + 2, left + 4, top + 4), 0)
    code = small.resize((12 * cells, 12 * cells), Image.Resampling.NEAREST)
    return ImageOps.expand(code, 48, 255).convert("RGB")


def product(photo: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    return covers.cut_out(photo, [], own)


def plain(_: Image.Image, _same: random.Random, own: random.Random) -> Image.Image:
    """Shade from one colour to another that is near."""
    grey = Image.linear_gradient("L").rotate(own.choice([0, 90, 180, 270]))
    dark = any_colour(own)
    light = tuple(min(255, value + 40) for value in dark)
    return ImageOps.colorize(grey, dark, light)


def _over(edit: Callable[..., Image.Image]) -> Make:
    """Return a maker that does the same to every photograph."""
    return lambda photo, same, _own: edit(ImageOps.fit(photo, (500, 400), BICUBIC), same)


def _page(edit: Callable[..., Image.Image]) -> Make:
    """Return a maker that shows every photograph on the same page."""
    return lambda photo, same, _own: edit(
        ImageOps.fit(photo, (500, 400), BICUBIC), [photo] * 9, same
    )


KINDS: dict[str, Make] = {
    "phone app": _over(overlays.phone_screenshot),
    "web page": _over(overlays.browser_screenshot),
    "meme words": _over(overlays.meme),
    "caption": _over(lambda image, dice: overlays.captioned(image, 0.35, dice)),
    "words over it": _over(overlays.written_on),
    "watermark": _over(overlays.watermarked),
    "stock watermark": _page(covers.stock_watermark),
    "covered with words": _page(covers.covered_with_words),
    "stickers": _page(covers.stickers),
    "faces": _over(lambda image, dice: overlays.with_emoji(image, 3, dice)),
    "patterned frame": _page(layouts.on_patterned_paper),
    "slide": _page(layouts.slide),
    "news page": _page(layouts.news_page),
    "video player": _page(layouts.video_player),
    "printed in dots": _page(rephotographed.printed),
    "text page": text_page,
    "scanned page": scanned_page,
    "filled form": form,
    "chat": chat,
    "logo": logo,
    "bar chart": chart,
    "square code": square_code,
    "product on white": product,
    "shaded plain": plain,
}


#: The one kind of which two pictures show one scene, though no part of it is in both.
HALVES = "halves of a photo"


def pictures(
    kind: str, photos: list[Image.Image], seed: str
) -> Iterator[tuple[Image.Image, Image.Image]]:
    """Yield pictures to be stored and to be looked up, of each two photographs.

    Args:
        kind: one of ``KINDS``, or ``HALVES``.
        photos: RGB, of different things.
        seed: of all dice.
    """
    for number in range(0, len(photos) - 1, 2):
        if kind == HALVES:
            whole = photos[number]
            middle = whole.width // 2
            yield (
                whole.crop((0, 0, middle, whole.height)),
                whole.crop((middle, 0, whole.width, whole.height)),
            )
            continue
        made = []
        for place in (number, number + 1):
            same, own = random.Random(f"{seed} {kind}"), random.Random(f"{seed} {kind} {place}")
            made.append(KINDS[kind](photos[place], same, own))
        yield made[0], made[1]


#: What is done to stored pictures, of which each is looked up once in every way.
COPIES: list[Callable[[Image.Image, random.Random], Image.Image]] = [
    lambda image, _: edits.resized(image, 0.5),
    lambda image, _: edits.toned(image, 0.7),
    edits.noisy,
    lambda image, dice: edits.cropped(image, 0.8, dice),
    lambda image, dice: edits.cropped(image, 0.5, dice),
    lambda image, dice: edits.rotated(image, 4, dice),
    lambda image, dice: edits.askew(image, 0.08, dice),
]


class Looked(NamedTuple):
    """What was looked up among pictures of one kind."""

    searches: int
    #: Searches that find something, those that call it a copy, and the highest score of them all.
    wrong: int
    wrong_copies: int
    highest: float
    copies: int
    #: Those that find what they are copies of, and those that call it a copy.
    found: int
    found_copies: int
    #: Pairs, of all that were compared, that are said to be .85 to .95 similar; and copies of them.
    near: int
    near_copies: int


def look(kind: str, photos: list[Image.Image]) -> Looked:
    """Look up pictures of one kind, and copies of those that are stored."""
    index = DescriptorIndex(describe.invariant_first())
    stored, wanted, copies = [], [], []
    for number, (one, other) in enumerate(pictures(kind, photos, str(SEED))):
        stored.append(describe.describe(decode(edits.encoded(one)).pixels))
        wanted.append(edits.encoded(other))
        dice = random.Random(f"{SEED} {kind} {number}")
        copies += [(number, edits.encoded(edit(one, dice), quality=60)) for edit in COPIES]
    for place, descriptor in enumerate(stored):
        index.put(str(place), descriptor.to_bytes())

    def relations(content: bytes) -> dict[int, Relation]:
        probed = describe.build_probes(decode(content).pixels)
        found = select_worth_comparing(
            index.find_candidates(build_candidate_query(probed, CLOSEST))
        )
        places = list(map(int, found))
        compared = compare_all(probed, [stored[place] for place in places])
        return {place: one.relation for place, one in zip(places, compared, strict=True)}

    searched = [relations(content) for content in wanted]
    looked_up = [(source, relations(content)) for source, content in copies]
    highest = [max((one.score for one in found.values()), default=-math.inf) for found in searched]
    surest = [
        max((one.copy_score for one in found.values()), default=-math.inf) for found in searched
    ]
    own = [found[source] for source, found in looked_up if source in found]
    least = calibration.similarity_to_score(calibration.DEFAULT_MIN_SIMILARITY)
    compared = [
        (calibration.score_to_similarity(one.score), place == source)
        for source, found in [*((None, found) for found in searched), *looked_up]
        for place, one in found.items()
    ]
    said, so = np.array(compared).T
    near = so[nearly_sure(said)]
    return Looked(
        len(wanted),
        sum(score >= least for score in highest),
        sum(score >= least for score in surest),
        max(highest),
        len(copies),
        sum(one.score >= least for one in own),
        sum(one.copy_score >= least for one in own),
        len(near),
        int(near.sum()),
    )


def print_looked(kind: str, one: Looked) -> None:
    print(f"{kind:20} {one.searches:4} searches, {one.wrong:3} find something,", end=" ")
    print(
        f"{one.wrong_copies:2} a copy; highest {calibration.score_to_similarity(one.highest):.3f};",
        end=" ",
    )
    print(f"of {one.copies} copies {one.found} found, {one.found_copies} as copies")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="reported of")
    parser.add_argument("--photos", type=int, default=40, help="half of them in what is stored")
    arguments = parser.parse_args()
    half = halved([path for path in arguments.folder.iterdir() if path.is_file()])
    photos = [Image.open(path).convert("RGB") for path in half[arguments.half][-arguments.photos :]]
    print(f"half {arguments.half}, {len(photos)} photographs, seed {SEED}; {machine()}")
    looked = {kind: look(kind, photos) for kind in (*KINDS, HALVES)}
    for kind, one in looked.items():
        print_looked(kind, one)
    total = Looked(*map(sum, zip(*looked.values(), strict=True)))
    highest = max(one.highest for one in looked.values())
    print_looked("all", total._replace(highest=highest))
    print(f"said .85 to .95: {total.near} pairs, of which {total.near_copies} are copies")


if __name__ == "__main__":
    main()
