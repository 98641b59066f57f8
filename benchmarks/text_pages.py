"""Whether a photograph is found that a page of text shows, and a page by its photograph.

    python benchmarks/text_pages.py FOLDER [--half 0|1] [--photos N] [--one-each]

FOLDER holds photographs, each a different scene, halved as by copies.py. All of the half are
stored, and pages that show one each are looked up: at 30, 45 and 60 % of the page's width, in every
layout of ``LAYOUTS``; or, with ``--one-each``, one page of each photograph, with a layout and width
that dice choose. Printed is how many pages find their photograph at the default threshold, and how
many find another picture. Pages with other photographs, which are not stored, find nothing if all
is right. Then the pages are stored, and the photographs are looked up. The last figures are how
long ``crop_content_boxes`` and a search without the database take for pages and photographs.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import edits
import numpy as np
from copies import SEED, halved, machine
from overlays import BICUBIC
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.images.content_boxes import crop_content_boxes
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare_all
from django_visualsnoop.engine.search import build_candidate_query, select_worth_comparing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Left, top, right and bottom, in pixels.
    Box = tuple[int, int, int, int]

SHARES = (0.3, 0.45, 0.6)
#: As many as a search compares that names no limit.
CANDIDATES = 100
_LETTERS = "eeeeetttaaaooiinnsshhrrdlcumwfgypbvk"
#: Paper and ink, most pages black on white.
_COLOURS = [
    *[("#ffffff", "#101010")] * 5,
    ("#f8f4e6", "#30261c"),
    ("#eeeeee", "#333333"),
    ("#ffffff", "#777777"),
    ("#181a1b", "#d8d4cf"),
]


class _Style(NamedTuple):
    """How the letters of a page look: sizes in pixels, the rest as factors."""

    size: int
    leading: float
    stretch: float
    slant: float
    is_bold: bool
    is_justified: bool


class Layout(NamedTuple):
    """Where a photograph is on a page, as shares of what it leaves free, and what is around it."""

    left: tuple[float, float]
    top: tuple[float, float]
    columns: int = 1
    #: Words stand beside the photograph, too.
    is_wrapped: bool = False
    #: No words stand below the photograph.
    is_blank_below: bool = False
    is_wide: bool = False
    #: Printed and scanned: askew, soft, with noise and uneven light.
    is_scanned: bool = False


LAYOUTS = {
    "above and below": Layout((0, 1), (0.25, 0.75)),
    "beside, at the left": Layout((0, 0), (0.2, 0.8), is_wrapped=True),
    "beside, at the right": Layout((1, 1), (0.2, 0.8), is_wrapped=True),
    "on all sides": Layout((0.4, 0.6), (0.25, 0.75), is_wrapped=True),
    "two columns": Layout((0, 1), (0.25, 0.75), columns=2, is_wrapped=True),
    "on a wide page": Layout((0, 1), (0.2, 0.8), is_wrapped=True, is_wide=True),
    "scanned": Layout((0, 1), (0.25, 0.75), is_wrapped=True, is_scanned=True),
    "blank below": Layout((0, 1), (0.2, 0.4), is_blank_below=True),
}


def _word(dice: random.Random) -> str:
    return "".join(
        dice.choice(_LETTERS)
        for _ in range(dice.choice([1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, 9, 11]))
    )


def _draw_word(text: str, style: _Style, ink: str) -> Image.Image:
    """Return a word as an image of ink with the letters as its opacity."""
    font = ImageFont.load_default(style.size)
    stroke = max(1, style.size // 16) if style.is_bold else 0
    left, _, right, _ = font.getbbox(text, stroke_width=stroke)
    height = int(style.size * 1.4)
    mask = Image.new("L", (int(right - left) + style.size, height), 0)
    ImageDraw.Draw(mask).text((style.size / 7, 0), text, 255, font, stroke_width=stroke)
    width = mask.width
    mask = mask.transform(
        mask.size, Image.Transform.AFFINE, (1, style.slant, -style.slant * height, 0, 1, 0), BICUBIC
    )
    mask = mask.crop((0, 0, width - round(style.size * 0.72), height))
    mask = mask.resize((max(1, round(mask.width * style.stretch)), height), BICUBIC)
    word = Image.new("RGBA", mask.size, ink)
    word.putalpha(mask)
    return word


def _fill(
    page: Image.Image, area: Box, hole: Box, style: _Style, ink: str, dice: random.Random
) -> None:
    """Write lines of words into an area, around a hole."""
    left, top, right, bottom = area
    step = round(style.size * style.leading)
    for line_top in range(top, bottom - style.size, step):
        if dice.random() < 0.06:
            continue  # between paragraphs
        is_last = dice.random() < 0.12
        end = left + round((right - left) * (dice.uniform(0.2, 0.9) if is_last else 1))
        crosses = line_top + step > hole[1] and line_top < hole[3]
        parts = [(left, end)]
        if crosses:
            parts = [(left, min(end, hole[0])), (max(left, hole[2]), end)]
        for start, stop in parts:
            words = list[Image.Image]()
            used = 0
            while True:
                word = _draw_word(_word(dice), style, ink)
                if used + word.width > stop - start:
                    break
                words.append(word)
                used += word.width
            spare = stop - start - used if style.is_justified and not is_last else 0
            x = float(start)
            for word in words:
                page.paste(word, (round(x), line_top), word)
                x += word.width + spare / max(1, len(words) - 1)


def make_page(photo: Image.Image, share: float, layout: Layout, dice: random.Random) -> Image.Image:
    """Return a page of text that shows a photograph.

    Args:
        photo: RGB.
        share: the width of the photograph, as a share of the page's.
        layout: where it is.
        dice: for words, sizes and colours.
    """
    paper, ink = dice.choice(_COLOURS)
    width, height = (1600, 1000) if layout.is_wide else (1000, dice.choice([1294, 1414]))
    page = Image.new("RGB", (width, height), paper)
    margin = dice.randint(40, 100)
    style = _Style(
        size=dice.randint(13, 26),
        leading=dice.uniform(1.15, 1.5),
        stretch=dice.choice([0.8, 1, 1, 1.1]),
        slant=dice.choice([0, 0, 0, 0.2]),
        is_bold=dice.random() < 0.25,
        is_justified=dice.random() < 0.5,
    )
    top = margin
    heading = style._replace(size=dice.randint(36, 64), slant=0, leading=1.3)
    if dice.random() < 0.7:
        area = margin, top, width - margin, top + round(heading.size * 1.4)
        _fill(page, area, (0, 0, 0, 0), heading, ink, dice)
        top += round(heading.size * 1.6)
    most = width * share, (height - top - margin) * 0.6
    scale = min(most[0] / photo.width, most[1] / photo.height)
    shown = photo.resize((round(photo.width * scale), round(photo.height * scale)), BICUBIC)
    free = width - 2 * margin - shown.width, height - top - margin - shown.height
    x = margin + max(0, round(free[0] * dice.uniform(*layout.left)))
    y = top + max(0, round(free[1] * dice.uniform(*layout.top)))
    has_caption = dice.random() < 0.5
    caption = style._replace(size=max(12, style.size - 4), leading=1.3)
    below = y + shown.height + (round(caption.size * 2.8) if has_caption else 0)
    gap = dice.randint(8, 24)
    hole = (x - gap, y - gap, x + shown.width + gap, below + gap)
    if not layout.is_wrapped:
        hole = (0, hole[1], width, hole[3])
    gutter = 40
    column = (width - 2 * margin - gutter * (layout.columns - 1)) // layout.columns
    for number in range(layout.columns):
        start = margin + number * (column + gutter)
        bottom = y if layout.is_blank_below else height - margin
        _fill(page, (start, top, start + column, bottom), hole, style, ink, dice)
    page.paste(shown, (x, y))
    if has_caption:
        area = x, y + shown.height + 4, x + shown.width, below
        _fill(page, area, (0, 0, 0, 0), caption, ink, dice)
    return _scan(page, paper, dice) if layout.is_scanned else page


def _scan(page: Image.Image, paper: str, dice: random.Random) -> Image.Image:
    page = page.rotate(dice.uniform(-1.5, 1.5), BICUBIC, fillcolor=paper)
    page = page.filter(ImageFilter.GaussianBlur(0.8))
    light = np.linspace(1, dice.uniform(0.9, 0.98), page.width)[None, :, None]
    return edits.noisy(Image.fromarray((np.asarray(page) * light).astype(np.uint8)), dice)


def make_pages(
    photos: list[Path], *, one_each: bool
) -> Iterator[tuple[Path, str, float, Image.Image]]:
    """Yield pages with their photograph, the name of the layout, and the share.

    Args:
        photos: the files.
        one_each: yield one page of each photograph, and not one of each layout and share.
    """
    every = [(name, share) for name in LAYOUTS for share in SHARES]
    for path in photos:
        photo = Image.open(path).convert("RGB")
        drawn = random.Random(f"{SEED} {path.name}").choice(every)
        for name, share in [drawn] if one_each else every:
            dice = random.Random(f"{SEED} page {path.name} {name} {share}")
            yield path, name, share, make_page(photo, share, LAYOUTS[name], dice)


def _time(call: Callable[[Any], object], given: object) -> float:
    """Return the time of a call, in milliseconds: the least of three."""
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        call(given)
        taken.append(time.perf_counter() - started)
    return 1000 * min(taken)


class _Stored:
    """Pictures to be found, by their keys."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._descriptors = {
            key: describe.describe(decode(content).pixels) for key, content in files.items()
        }
        self._index = DescriptorIndex(describe.invariant_first())
        for key, descriptor in self._descriptors.items():
            self._index.put(key, descriptor.to_bytes())

    def search(self, probes: describe.Probes) -> set[str]:
        """Return the keys of what is found at the default threshold."""
        candidates = self._index.find_candidates(build_candidate_query(probes, CANDIDATES))
        keys = select_worth_comparing(candidates)
        compared = compare_all(probes, [self._descriptors[key] for key in keys])
        least = calibration.similarity_to_score(calibration.DEFAULT_MIN_SIMILARITY)
        return {key for key, one in zip(keys, compared, strict=True) if one.relation.score >= least}

    def search_file(self, content: bytes) -> set[str]:
        """Return the keys of what a search for a file finds."""
        return self.search(describe.build_probes(decode(content).pixels))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="reported of")
    parser.add_argument("--photos", type=int, default=12, help="that are shown on pages")
    parser.add_argument("--one-each", action="store_true", help="make one page of each photograph")
    parser.add_argument("--show", type=Path, help="where to write the pages that find nothing")
    arguments = parser.parse_args()
    halves = halved([path for path in arguments.folder.iterdir() if path.is_file()])
    half, others = halves[arguments.half], halves[1 - arguments.half]
    shown = half[: arguments.photos]
    print(
        f"half {arguments.half}, {len(shown)} of {len(half)} photographs on pages, seed {SEED}; "
        f"{machine()}"
    )
    stored = _Stored({path.name: path.read_bytes() for path in half})
    found = dict[tuple[str, float], list[bool]]()
    wrong, cropping, searching, pages = 0, [], [], list[tuple[Path, str, bytes]]()
    for path, name, share, page in make_pages(shown, one_each=arguments.one_each):
        content = edits.encoded(page, quality=85)
        pixels = decode(content).pixels
        names = stored.search(describe.build_probes(pixels))
        is_found = path.name in names
        found.setdefault((name, share), []).append(is_found)
        wrong += bool(names - {path.name})
        if len(pages) % 7 == 0:
            cropping.append(_time(crop_content_boxes, pixels))
            searching.append(_time(stored.search_file, content))
        pages.append((path, f"{name} {share}", content))
        if arguments.show is not None and not is_found:
            arguments.show.mkdir(parents=True, exist_ok=True)
            (arguments.show / f"{path.stem} {name} {share}.jpg").write_bytes(content)
    print(f"{'pages that find their photograph':34}" + "".join(f"{one:>8.0%}" for one in SHARES))
    for name in LAYOUTS:
        cells = [found.get((name, share), []) for share in SHARES]
        print(f"{name:34}" + "".join(f"{sum(one):>5} {len(one):>2}" for one in cells))
    with_text = [one for (name, _), ones in found.items() if name != "blank below" for one in ones]
    print(f"{'all but the last':34} {sum(with_text)} of {len(with_text)}; {wrong} find another")
    strangers = [
        describe.build_probes(decode(edits.encoded(page, quality=85)).pixels)
        for *_, page in make_pages(
            others[: max(1, arguments.photos // 3)], one_each=arguments.one_each
        )
    ]
    false = sum(bool(stored.search(one)) for one in strangers)
    print(f"pages of photographs that are not stored: {false} of {len(strangers)} find something")
    stored_pages = _Stored({f"{path.name} {name}": content for path, name, content in pages})
    back = 0
    photo_cropping, photo_searching = [], []
    for path in shown:
        pixels = decode(path.read_bytes()).pixels
        probes = describe.build_probes(pixels)
        back += sum(key.startswith(path.name) for key in stored_pages.search(probes))
        photo_cropping.append(_time(crop_content_boxes, pixels))
        photo_searching.append(_time(stored.search_file, path.read_bytes()))
    print(f"photographs that find pages: {back} of {len(pages)}")
    for label, times, of in (
        ("crop_content_boxes", cropping, "pages"),
        ("crop_content_boxes", photo_cropping, "photographs"),
        ("search", searching, "pages"),
        ("search", photo_searching, "photographs"),
    ):
        print(f"{label}, {of}: median {statistics.median(times):.2f} ms")


if __name__ == "__main__":
    main()
