"""Kinds of edits that were thought of last, when all but the fit of the calibration was chosen."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from edits import cropped, encoded
from overlays import BICUBIC, any_colour, write
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from unseen.pixels import floats_of, grid, image_of, in_perspective, noise, warped

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


def background_blurred(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Leave an oval sharp, as cameras of phones do around a face."""
    width, height = image.size
    left, top = dice.uniform(0.1, 0.4) * width, dice.uniform(0.05, 0.25) * height
    sharp = Image.new("L", image.size)
    ImageDraw.Draw(sharp).ellipse((left, top, left + width / 2, top + 0.7 * height), 255)
    sharp = sharp.filter(ImageFilter.GaussianBlur(15))
    behind = image.filter(ImageFilter.GaussianBlur(max(image.size) / 60))
    return Image.composite(image, behind, sharp)


def wavy(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    down, across = np.mgrid[: image.height, : image.width].astype(np.float32)
    far, count = 0.02 * image.width, 2 * math.pi * dice.uniform(2, 5)
    return warped(
        image,
        across + far * np.sin(count * down / image.height),
        down + far * np.sin(count * across / image.width),
    )


def shifted_round(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Take the left part away and put it back on the right."""
    by = round(dice.uniform(0.25, 0.6) * image.width)
    return image_of(np.roll(floats_of(image), by, axis=1))


def mirrored_half(image: Image.Image, *_: object) -> Image.Image:
    half = image.crop((0, 0, image.width // 2, image.height))
    whole = Image.new("RGB", (2 * half.width, half.height))
    whole.paste(half, (0, 0))
    whole.paste(ImageOps.mirror(half), (half.width, 0))
    return whole


def torn_signal(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Shift bands of rows, and two of the colours, as broken video does."""
    values = floats_of(image).copy()
    by = round(0.015 * image.width) + 1
    values[..., 0], values[..., 2] = (
        np.roll(values[..., 0], by, axis=1),
        np.roll(values[..., 2], -by, axis=1),
    )
    for _band in range(14):
        top = int(dice.uniform(0, image.height))
        band = np.s_[top : top + max(1, int(dice.uniform(0.01, 0.06) * image.height))]
        values[band] = np.roll(values[band], int(dice.uniform(-0.15, 0.15) * image.width), axis=1)
    return image_of(values)


def cut_slantwise(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Show the upper left of it, and the lower right of another."""
    shown = Image.new("L", image.size)
    width, height = image.size
    ImageDraw.Draw(shown).polygon(
        [(0, 0), (0.75 * width, 0), (0.3 * width, height), (0, height)], 255
    )
    return Image.composite(image, ImageOps.fit(dice.choice(others), image.size), shown)


def embossed(image: Image.Image, *_: object) -> Image.Image:
    return image.convert("L").filter(ImageFilter.EMBOSS).convert("RGB")


def only_edges(image: Image.Image, *_: object) -> Image.Image:
    edges = cv2.Canny(np.asarray(image.convert("L")), 60, 150)
    return Image.fromarray(cv2.dilate(edges, np.ones((2, 2))).astype(np.uint8)).convert("RGB")


def heat_map(image: Image.Image, *_: object) -> Image.Image:
    """Give each brightness the colour that thermal cameras would."""
    coloured = cv2.applyColorMap(np.asarray(image.convert("L")), cv2.COLORMAP_JET)
    return Image.fromarray(np.ascontiguousarray(coloured[..., ::-1]).astype(np.uint8))


def solarised(image: Image.Image, *_: object) -> Image.Image:
    return ImageOps.solarize(image, 128)


def profile_picture(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Show a round piece of it, small, beside a few lines."""
    card = Image.new("RGB", (400, 240), "#181e28")
    round_piece = Image.new("L", (160, 160))
    draw = ImageDraw.Draw(round_piece)
    draw.ellipse((0, 0, 159, 159), 255)
    card.paste(ImageOps.fit(image, (160, 160), BICUBIC), (20, 40), round_piece)
    lines = ImageDraw.Draw(card)
    for line in range(3):
        right = 200 + dice.randint(60, 180)
        lines.rectangle((200, 60 + 40 * line, right, 76 + 40 * line), "#c8c8c8")
    return card


def on_a_phone(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Show it on a phone that lies in another picture, seen from aside."""
    screen = ImageOps.expand(ImageOps.fit(image, (300, 450), BICUBIC), (12, 30), "#0f0f0f")
    corners = [
        (260 + dice.uniform(-30, 30), 60), (520, 80 + dice.uniform(-30, 30)),
        (560, 520), (300 + dice.uniform(-30, 30), 560),
    ]  # fmt: skip
    behind = floats_of(ImageOps.fit(dice.choice(others), (800, 600), BICUBIC)).copy()
    return image_of(in_perspective(floats_of(screen), corners, behind))


def on_a_mug(image: Image.Image, *_: object) -> Image.Image:
    """Print it around a cylinder."""
    print_ = ImageOps.fit(image, (360, 320), BICUBIC)
    across, down, _far = grid(print_)
    side = np.clip(across / 180, -1, 1)
    bent = np.arcsin(0.98 * side) / (math.pi / 2) * 180
    bow = np.sqrt(1 - side**2)
    seen = warped(print_, bent + 180, down + 160 - 18 * bow)
    whole = np.full((480, 560, 3), 225, dtype=np.float32)
    whole[80:400, 100:460] = floats_of(seen) * (0.55 + 0.45 * bow)[..., None]
    return image_of(whole)


def story(image: Image.Image, *_: object) -> Image.Image:
    """Cut it to a tall screen with a word, a bar and buttons over it."""
    screen = ImageOps.fit(image, (360, 640), BICUBIC)
    draw = ImageDraw.Draw(screen)
    draw.rectangle((20, 440, 340, 500), "white")
    write(screen, (34, 452), "swipe up for more", 26, "black")
    for part in range(4):
        draw.rectangle((10 + 88 * part, 10, 90 + 88 * part, 14), "white")
    draw.ellipse((12, 24, 48, 60), "#fa5078")
    draw.rounded_rectangle((15, 585, 290, 625), 20, outline="white", width=2)
    return screen


def under_a_flag(image: Image.Image, *_: object) -> Image.Image:
    """Let six stripes of colour shine through."""
    colours = ["#e40303", "#ff8c00", "#ffed00", "#008026", "#004dff", "#750787"]
    flag = Image.new("RGB", (1, 6))
    for row, colour in enumerate(colours):
        flag.paste(colour, (0, row, 1, row + 1))
    return Image.blend(image, flag.resize(image.size, Image.Resampling.NEAREST), 0.45)


def snow(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    snowy = image.copy()
    draw = ImageDraw.Draw(snowy)
    for _flake in range(350):
        left, top = dice.uniform(0, image.width), dice.uniform(0, image.height)
        size = dice.uniform(1, 0.012 * image.width + 2)
        draw.ellipse((left, top, left + size, top + size), "white")
    return snowy.filter(ImageFilter.GaussianBlur(0.7))


def exposed_twice(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    return Image.blend(image, ImageOps.fit(dice.choice(others), image.size), 0.4)


def folded_and_stained(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Show white folds, and the brown ring of a cup."""
    values = floats_of(image) * 0.9 + 20
    height, width = values.shape[:2]
    for share in (1 / 3, 2 / 3):
        column, row = int(width * share), int(height * share)
        values[:, column + 2 : column + 12] *= 0.85
        values[:, column - 1 : column + 2] = 235
        values[row - 1 : row + 2] = 235
    stain = Image.new("L", image.size)
    radius = 0.18 * min(image.size)
    left, top = dice.uniform(0, width - 2 * radius), dice.uniform(0, height - 2 * radius)
    ring = left, top, left + 2 * radius, top + 2 * radius
    ImageDraw.Draw(stain).ellipse(ring, outline=128, width=9)
    share_of_brown = floats_of(stain.filter(ImageFilter.GaussianBlur(3)))[..., None] / 255
    brown = np.array([90, 55, 20], dtype=np.float32)
    return image_of(values * (1 - share_of_brown) + brown * share_of_brown)


def three_panels(image: Image.Image, *_: object) -> Image.Image:
    """Hang it as three, the middle one lower."""
    gap, third = image.width // 20, image.width // 3
    wall = Image.new("RGB", (image.width + 4 * gap, image.height + 4 * gap), "#e8e8e8")
    for panel in range(3):
        part = image.crop((panel * third, 0, (panel + 1) * third, image.height - gap))
        wall.paste(part, (gap + panel * (third + gap), (2 + panel % 2) * gap))
    return wall


def saved_eight_times(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Save it as a poor JPEG again and again, half the times a little smaller."""
    for number in range(8):
        if number % 2:
            sides = (max(60, round(side * dice.uniform(0.7, 1))) for side in image.size)
            image = image.resize((next(sides), next(sides)), BICUBIC)
        poor = encoded(image, quality=dice.randint(8, 25))
        image = Image.open(io.BytesIO(poor)).convert("RGB")
    return image


def video_tape(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    values = cv2.GaussianBlur(floats_of(image), (0, 0), 1.5)
    values[::3] *= 0.75
    values += 14 * noise(dice, values.shape)
    values[..., 0] = np.roll(values[..., 0], 3, axis=1)
    shown = image_of(values)
    write(shown, (15, 15), "PLAY  SP 0:12:45", 18)
    return shown


def night_vision(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    grey = 255 * (floats_of(image.convert("L")) / 255) ** 0.6
    grey += 25 * noise(dice, grey.shape)
    return image_of(grey[..., None] * np.array([0.15, 1, 0], dtype=np.float32))


def sharpened_too_much(image: Image.Image, *_: object) -> Image.Image:
    return image.filter(ImageFilter.UnsharpMask(4, 400, 0))


def a_fifth_in_strong_colours(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    part = cropped(image, 0.2, dice).resize(image.size, BICUBIC)
    return ImageEnhance.Contrast(ImageEnhance.Color(part).enhance(1.6)).enhance(1.3)


def gallery_wall(
    image: Image.Image, others: Sequence[Image.Image], dice: random.Random
) -> Image.Image:
    """Hang it among five others, each a sixteenth of the whole."""
    wall = Image.new("RGB", (900, 600), "#cdc6bc")
    draw = ImageDraw.Draw(wall)
    places = [(60, 70), (340, 60), (620, 80), (80, 330), (360, 330), (630, 320)]
    pictures = [image, *dice.sample(list(others), 5)]
    for (left, top), picture in zip(dice.sample(places, 6), pictures, strict=True):
        draw.rectangle((left - 12, top - 12, left + 212, top + 172), "#3c2819")
        draw.rectangle((left - 6, top - 6, left + 206, top + 166), "#fafaf5")
        wall.paste(ImageOps.fit(picture, (200, 160), BICUBIC), (left, top))
    return wall


def mirrored_film(image: Image.Image, *_: object) -> Image.Image:
    """Mirror a wide part of it, with bars and subtitles."""
    film = ImageOps.mirror(ImageOps.fit(image, (640, 360), BICUBIC))
    for line, words in enumerate(("- I told you not to come here.", "- Where else should I go?")):
        write(film, (170, 296 + 28 * line), words, 22, "yellow")
    return ImageOps.expand(film, (0, 60), "black")


def turned_in_an_app(image: Image.Image, *_: object) -> Image.Image:
    turned = image.rotate(90, expand=True)
    width, height = round(1.1 * turned.width), round(1.35 * turned.height)
    screen = Image.new("RGB", (width, height), "#fafafa")
    screen.paste(turned, (width // 22, round(0.12 * height)))
    ImageDraw.Draw(screen).rectangle((0, 0, width, round(0.08 * height)), "#285ac8")
    write(screen, (20, 10), "12:45   My album", 24)
    return screen


def faint(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    """Leave a quarter of the contrast, dark or bright, and no colours."""
    return image_of(floats_of(image.convert("L")) / 4 + dice.choice([20, 160])).convert("RGB")


def stretched(image: Image.Image, *_: object) -> Image.Image:
    return image.resize((round(1.5 * image.width), round(0.8 * image.height)), BICUBIC)


def through_coloured_glass(image: Image.Image, _: object, dice: random.Random) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, any_colour(dice)), 0.6)
