"""Edits of kinds that nothing here was trained or fitted on: only to report of them.

``engine.augment`` and ``edits`` have none of these. Whoever adds one of them there takes it away
here. Each family is one kind of edit.

That is not to say that nothing was chosen by them. Which pictures a query looks for (the negative,
and 256 features) and which evidence counts was chosen after looking at these families on one half
of the photographs. Figures of the other half tell of other photographs, not of other edits.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import cv2
import numpy as np
from edits import cropped, encoded, framed, resized, sepia, toned
from overlays import BICUBIC, WORDS, any_colour, captioned, write
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    #: Takes the picture, other pictures to lay beside it, and dice.
    Edit = Callable[[Image.Image, Sequence[Image.Image], random.Random], Image.Image]


def _floats(image: Image.Image) -> Floats:
    return np.asarray(image, dtype=np.float32)


def _image(values: Floats) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _noise(dice: random.Random, shape: tuple[int, ...]) -> Floats:
    return np.random.default_rng(dice.randrange(2**32)).normal(0, 1, shape).astype(np.float32)


def _warped(image: Image.Image, across: Floats, down: Floats) -> Image.Image:
    """Return the picture with each pixel taken from the place given for it."""
    places = across.astype(np.float32), down.astype(np.float32)
    seen = cv2.remap(np.asarray(image), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return Image.fromarray(seen.astype(np.uint8))


def _grid(image: Image.Image) -> tuple[Floats, Floats, Floats]:
    """Return x and y of each pixel from the centre, and the distance, 1 at the nearer edge."""
    down, across = np.mgrid[: image.height, : image.width].astype(np.float32)
    across, down = across - image.width / 2, down - image.height / 2
    return across, down, np.hypot(across, down) / (min(image.size) / 2)


# Photographed again, printed, scanned.


def screen_photographed(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Show the picture on a screen with visible pixels, seen from aside, with glare."""
    shown = _floats(resized(image, 640 / max(image.size)))
    lines = np.arange(shown.shape[0])[:, None, None], np.arange(shown.shape[1])[None, :, None]
    angle = dice.uniform(0.9, 1.1)
    shown *= 0.85 + 0.15 * np.sin(lines[0] * 2.1 * angle) * np.sin(lines[1] * 2.2 * angle)
    height, width = shown.shape[:2]
    desk = np.full((height * 3 // 2, width * 3 // 2, 3), dice.uniform(20, 90), dtype=np.float32)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    moved = [
        (x * 1.25 + width * dice.uniform(0.05, 0.2), y * 1.25 + height * dice.uniform(0.05, 0.2))
        for x, y in corners
    ]
    matrix = cv2.getPerspectiveTransform(corners, np.array(moved, dtype=np.float32))
    seen = cv2.warpPerspective(
        shown, matrix, desk.shape[1::-1], dst=desk, borderMode=cv2.BORDER_TRANSPARENT
    )
    across, down, _far = _grid(_image(seen))
    glare = np.exp(-(((across - 90) / 120) ** 2 + ((down + 60) / 80) ** 2))
    return _image(seen + 130 * glare[..., None] + 4 * _noise(dice, seen.shape))


def printed(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Print in dots on yellowish paper, scan a little askew."""
    grey = _floats(resized(image, 900 / max(image.size)).convert("L"))
    down, across = np.mgrid[: grey.shape[0], : grey.shape[1]]
    angle = dice.uniform(0.3, 1.2)
    step = 2 * math.pi / 6
    one = np.sin((across * math.cos(angle) + down * math.sin(angle)) * step)
    other = np.sin((across * math.sin(angle) - down * math.cos(angle)) * step)
    dots = np.where(grey + 60 * one * other > 128, 245.0, 25.0)
    paper = _image(np.stack([dots, dots * 0.97, dots * 0.88], axis=-1))
    paper = paper.filter(ImageFilter.GaussianBlur(1.2))
    return resized(paper.rotate(dice.uniform(-3, 3), BICUBIC, fillcolor="white"), 0.6)


def photocopied(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    grey = _floats(image.convert("L").filter(ImageFilter.GaussianBlur(1)))
    return _image(128 + (grey - np.median(grey)) * 3 + 12 * _noise(dice, grey.shape)).convert("RGB")


# Filters of picture editors.


def inverted(image: Image.Image, *_: object) -> Image.Image:
    return ImageOps.invert(image)


def duotone(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    dark = tuple(value // 3 for value in any_colour(dice))
    light = tuple(160 + value // 3 for value in any_colour(dice))
    return ImageOps.colorize(ImageOps.grayscale(image), dark, light)


def posterised(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return ImageOps.posterize(image, dice.choice([1, 2]))


def pixelated(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    cells = dice.choice([48, 64])
    small = ImageOps.contain(image, (cells, cells), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


def dithered(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    small = ImageOps.contain(image, (320, 320))
    return small.quantize(dice.choice([8, 16])).convert("RGB")


def cartoon(image: Image.Image, *_: object) -> Image.Image:
    pixels = np.asarray(image)
    smooth = pixels
    for _round in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 60, 7).astype(np.uint8)
    grey = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 7)
    lines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 4)
    return Image.fromarray(
        np.where(lines[..., None] > 0, smooth // 32 * 32 + 16, 0).astype(np.uint8)
    )


def sketched(image: Image.Image, *_: object) -> Image.Image:
    grey = _floats(image.convert("L"))
    behind = cv2.GaussianBlur(255 - grey, (0, 0), 8)
    return _image(np.minimum(255, grey * 255 / np.maximum(1, 255 - behind))).convert("RGB")


def oil_painted(image: Image.Image, *_: object) -> Image.Image:
    return image.filter(ImageFilter.ModeFilter(9))


def local_contrast(image: Image.Image, *_: object) -> Image.Image:
    lightness, red, blue = cv2.split(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2LAB))
    evened = cv2.createCLAHE(6.0, (8, 8)).apply(lightness)
    strong = cv2.cvtColor(cv2.merge([evened, red, blue]), cv2.COLOR_LAB2RGB)
    return ImageEnhance.Color(Image.fromarray(strong.astype(np.uint8))).enhance(1.7)


def low_light(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return _image(_floats(toned(image, 2.2)) * 0.35 + 9 * _noise(dice, (*image.size[::-1], 3)))


def film_grain(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    values = _floats(image.convert("L"))
    return _image(values + 38 * _noise(dice, values.shape)).convert("RGB")


def motion_blurred(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    length = max(5, round(max(image.size) * 0.035))
    line = np.zeros((length, length), dtype=np.float32)
    line[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5,) * 2, dice.uniform(0, 180), 1)
    return _image(cv2.filter2D(_floats(image), -1, cv2.warpAffine(line, turn, line.shape)))


def light_leak(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Darken the corners strongly; let warm light in from one side."""
    across, _down, far = _grid(image)
    values = _floats(sepia(image) if dice.random() < 0.5 else image)
    values = values * np.clip(1.15 - 0.55 * far**2, 0.1, 1)[..., None]
    leak = np.clip(across * dice.choice([-1, 1]) / image.width * 2, 0, 1)[..., None]
    return _image(values + leak * [200.0, 110.0, 40.0])


def tiny(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Make it a thumbnail, save that badly, and enlarge it again."""
    side = dice.choice([110, 150])
    quality = dice.choice([6, 10])
    content = encoded(ImageOps.contain(image, (side, side)), quality=quality)
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return resized(Image.fromarray(np.ascontiguousarray(pixels)), 3)


# Shapes.


def swirled(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    across, down, far = _grid(image)
    angle = dice.choice([-1, 1]) * 1.2 * np.exp(-2 * far)
    turned = (
        across * np.cos(angle) - down * np.sin(angle),
        across * np.sin(angle) + down * np.cos(angle),
    )
    return _warped(image, turned[0] + image.width / 2, turned[1] + image.height / 2)


def fish_eye(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    across, down, far = _grid(image)
    factor = 1 + dice.choice([-0.12, 0.25]) * far**2
    return _warped(image, across * factor + image.width / 2, down * factor + image.height / 2)


def squeezed(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Squeeze a wide picture into a square, or widen one as televisions do."""
    return image.resize(dice.choice([(400, 400), (640, 360), (360, 640)]), BICUBIC)


def turned_and_cropped(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    turned = image.rotate(dice.choice([-1, 1]) * dice.uniform(20, 45), BICUBIC)
    width, height = (round(side * 0.6) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return turned.crop((left, top, left + width, top + height))


def upside_down(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return captioned(image.rotate(180), 0.25, dice)


def mirrored_and_filtered(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return duotone(cropped(ImageOps.mirror(image), 0.5, dice), None, dice)


# Laid over.


def covered_with_words(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Write a quotation in large letters over most of it, on a darker picture."""
    image = ImageEnhance.Brightness(image).enhance(0.6)
    size = image.height // 9
    for line in range(6):
        text = " ".join(dice.choice(WORDS) for _ in range(3))
        write(image, (image.width * 0.04, image.height * (0.06 + 0.15 * line)), text, size, "white")
    return image


def stickers(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Cover it with many small signs."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _sticker in range(25):
        side = min(image.size) * dice.uniform(0.08, 0.16)
        place = dice.uniform(0, image.width - side), dice.uniform(0, image.height - side)
        points = dice.choice([3, 4, 5, 6, 8])
        circle = (place[0] + side / 2, place[1] + side / 2, side / 2)
        draw.regular_polygon(
            circle, points, dice.randrange(360), fill=any_colour(dice), outline="white"
        )
    return image


def censored(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Black out what matters, blur what is beside it."""
    image = image.copy()
    width, height = image.size
    centre = (width // 5, height // 5, width * 4 // 5, height // 2)
    image.paste(image.crop(centre).filter(ImageFilter.GaussianBlur(14)), centre[:2])
    draw = ImageDraw.Draw(image)
    for _bar in range(3):
        top = dice.uniform(0.1, 0.8) * height
        draw.rectangle((width * 0.1, top, width * dice.uniform(0.5, 0.95), top + height * 0.09), 0)
    return image


def stock_watermark(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Tile slanted words and crossing lines over all of it, as picture agencies do."""
    side = sum(image.size)
    marks = Image.new("L", (side, side))
    draw = ImageDraw.Draw(marks)
    text = dice.choice(["PREVIEW", "stockpictures.example", "SAMPLE COPY"])
    for top in range(0, side, max(20, image.height // 6)):
        for left in range(0, side, 14 * image.height // 20):
            write(marks, (left + top % 3 * 40, top), text, image.height // 14, "white")
        draw.line((0, top, side, top + side // 3), 160, 2)
    marks = marks.rotate(30).crop(
        (side // 5, side // 5, side // 5 + image.width, side // 5 + image.height)
    )
    return Image.composite(
        Image.new("RGB", image.size, "white"),
        image,
        marks.point([value * 0.6 for value in range(256)]),
    )


def cut_out(image: Image.Image, *_: object) -> Image.Image:
    """Keep an oval of it, on white."""
    mask = Image.new("L", image.size)
    width, height = image.size
    box = (width * 0.15, height * 0.12, width * 0.85, height * 0.88)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return Image.composite(image, Image.new("RGB", image.size, "white"), mask)


# Laid out with other things.


def collage(image: Image.Image, others: Sequence[Image.Image], dice: random.Random) -> Image.Image:
    """Make it one of four, each cut to a square."""
    tiles = [image, *dice.sample(list(others), 3)]
    dice.shuffle(tiles)
    whole = Image.new("RGB", (808, 808), "white")
    for number, tile in enumerate(tiles):
        place = number % 2 * 408, number // 2 * 408
        whole.paste(ImageOps.fit(tile, (400, 400), BICUBIC), place)
    return whole


def nine_pictures(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Make it one of nine, each cut to a square."""
    tiles = [image, *dice.sample(list(others), 8)]
    dice.shuffle(tiles)
    whole = Image.new("RGB", (912, 912), "black")
    for number, tile in enumerate(tiles):
        place = number % 3 * 306, number // 3 * 306
        whole.paste(ImageOps.fit(tile, (300, 300), BICUBIC), place)
    return whole


def side_by_side(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    pair = [image, dice.choice(others)]
    dice.shuffle(pair)
    whole = Image.new("RGB", (1000, 460), "white")
    for number, (one, word) in enumerate(zip(pair, ("before", "after"), strict=True)):
        whole.paste(ImageOps.fit(one, (496, 400), BICUBIC), (504 * number, 60))
        write(whole, (504 * number + 20, 10), word, 36)
    return whole


def polaroid(image: Image.Image, others: Sequence[Image.Image], dice: random.Random) -> Image.Image:
    """Put it in a white card with a line below, askew and with a shadow, on a table."""
    card = Image.new("RGBA", (440, 520), "#fbfaf5")
    card.paste(ImageOps.fit(image, (400, 400), BICUBIC), (20, 20))
    write(card, (60, 440), dice.choice(WORDS), 40, "#303050")
    card = card.rotate(dice.uniform(-14, 14), BICUBIC, expand=True)
    table = ImageOps.fit(dice.choice(others), (700, 700)).filter(ImageFilter.GaussianBlur(5))
    shadow = Image.new("RGBA", card.size, (0, 0, 0, 140))
    place = (700 - card.width) // 2, (700 - card.height) // 2
    table.paste(shadow, (place[0] + 10, place[1] + 12), card.getchannel("A"))
    table.paste(card, place, card)
    return table


def slide(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Put it beside points on a slide."""
    whole = Image.new("RGB", (1280, 720), dice.choice(["#ffffff", "#10243f", "#f2efe6"]))
    ink = "#ffffff" if whole.getpixel((0, 0)) == (16, 36, 63) else "#202020"
    write(whole, (60, 40), dice.choice(WORDS).title(), 60, ink)
    for line in range(6):
        text = "• " + " ".join(dice.choice(WORDS) for _ in range(3))
        write(whole, (60, 180 + 75 * line), text, 32, ink)
    whole.paste(ImageOps.contain(image, (520, 440), BICUBIC), (700, 180))
    return whole


def news_page(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Put it on a page with columns of words and another picture."""
    page = Image.new("RGB", (1000, 1300), "#f8f6f0")
    write(page, (40, 30), "The Daily Example", 84)
    for column in range(3):
        for line in range(48):
            text = " ".join(dice.choice(WORDS) for _ in range(2))
            write(page, (40 + 320 * column, 160 + 23 * line), text, 18, "#333333")
    page.paste(ImageOps.fit(image, (610, 420), BICUBIC), (40, 180))
    page.paste(ImageOps.fit(dice.choice(others), (290, 220), BICUBIC), (680, 900))
    return page


def video_player(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Show it as a film that is paused: bars, a large triangle, a dark page around."""
    page = Image.new("RGB", (1280, 800), "#0f0f0f")
    draw = ImageDraw.Draw(page)
    page.paste(
        ImageEnhance.Brightness(ImageOps.fit(image, (860, 484), BICUBIC)).enhance(0.8), (30, 70)
    )
    draw.rectangle((30, 545, 890, 550), "#777777")
    draw.rectangle((30, 545, dice.randrange(100, 800), 550), "#ff0000")
    draw.ellipse((400, 250, 520, 370), "#000000")
    draw.polygon([(440, 275), (440, 345), (500, 310)], "white")
    for row in range(7):
        draw.rectangle((920, 70 + 100 * row, 1070, 155 + 100 * row), any_colour(dice))
        write(page, (1085, 80 + 100 * row), dice.choice(WORDS), 20, "white")
    write(page, (30, 575), " ".join(dice.choice(WORDS) for _ in range(3)), 30, "white")
    return page


def night_mode(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Show a page with it in inverted colours."""
    return ImageOps.invert(slide(image, others, dice))


def on_patterned_paper(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Frame it with stripes in two colours, and that with one."""
    width, height = image.width * 14 // 10, image.height * 14 // 10
    whole = Image.new("RGB", (width, height), any_colour(dice))
    draw = ImageDraw.Draw(whole)
    colour = any_colour(dice)
    for left in range(-height, width, 36):
        draw.line((left, 0, left + height, height), colour, 12)
    whole.paste(framed(image, 0.03, dice).resize(image.size), (image.width // 5, image.height // 5))
    return whole


FAMILIES: dict[str, Edit] = {
    "screen photographed": screen_photographed,
    "printed in dots": printed,
    "photocopied": photocopied,
    "colours inverted": inverted,
    "duotone": duotone,
    "posterised": posterised,
    "pixelated": pixelated,
    "dithered": dithered,
    "cartoon": cartoon,
    "pencil sketch": sketched,
    "oil painting": oil_painted,
    "local contrast": local_contrast,
    "low light": low_light,
    "film grain": film_grain,
    "motion blur": motion_blurred,
    "light leak": light_leak,
    "tiny, enlarged": tiny,
    "swirled": swirled,
    "fish-eye": fish_eye,
    "squeezed": squeezed,
    "turned 20-45, cropped": turned_and_cropped,
    "upside down, caption": upside_down,
    "mirror, crop, duotone": mirrored_and_filtered,
    "covered with words": covered_with_words,
    "25 stickers": stickers,
    "censored": censored,
    "stock watermark": stock_watermark,
    "cut out on white": cut_out,
    "one of four": collage,
    "one of nine": nine_pictures,
    "side by side": side_by_side,
    "polaroid": polaroid,
    "slide": slide,
    "news page": news_page,
    "video player": video_player,
    "night mode page": night_mode,
    "patterned frame": on_patterned_paper,
}


def edited(
    image: Image.Image, seed: str, others: Sequence[Image.Image]
) -> Iterator[tuple[str, bytes]]:
    """Yield the family and the file of every edit of one picture; see ``edits.edited``.

    Args:
        image: RGB.
        seed: of all dice.
        others: eight pictures or more, to lay beside it.
    """
    for family, edit in FAMILIES.items():
        dice = random.Random(f"{seed} unseen {family}")
        yield family, encoded(edit(image, others, dice), quality=80)
