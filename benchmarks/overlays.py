"""Edits that lay something over or around a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

if TYPE_CHECKING:
    import random

BICUBIC = Image.Resampling.BICUBIC
WORDS = ["SALE", "the best", "sunday", "2026", "wow", "when it is monday again", "free", "my cat"]


def any_colour(dice: random.Random) -> tuple[int, int, int]:
    return dice.randrange(256), dice.randrange(256), dice.randrange(256)


def written_on(image: Image.Image, dice: random.Random, *, words: int = 5) -> Image.Image:
    image = image.copy()
    text = " ".join(dice.choice(WORDS[:5]) for _ in range(words))
    place = image.width * 0.04, image.height * dice.choice([0.06, 0.82])
    write(image, place, text, max(12, image.height // 10), outlined=True)
    return image


def meme(image: Image.Image, dice: random.Random) -> Image.Image:
    """Write large outlined letters at the top and at the bottom."""
    image = image.copy()
    for place in (0.03, 0.83):
        text = dice.choice(WORDS).upper()
        size = max(12, min(image.height // 7, round(1.6 * image.width / len(text))))
        write(image, (image.width * 0.05, image.height * place), text, size, outlined=True)
    return image


def captioned(image: Image.Image, share: float, dice: random.Random) -> Image.Image:
    """Add a white band with words above the picture."""
    band = round(image.height * share)
    taller = Image.new("RGB", (image.width, image.height + band), "white")
    taller.paste(image, (0, band))
    write(taller, (8, band // 5), dice.choice(WORDS), max(12, band // 2))
    return taller


def stamped(image: Image.Image, dice: random.Random) -> Image.Image:
    image = image.copy()
    side = min(image.size) // 5
    left, top = dice.choice([(8, 8), (image.width - side - 8, image.height - side - 8)])
    draw = ImageDraw.Draw(image)
    draw.ellipse(
        (left, top, left + side, top + side), fill=any_colour(dice), outline="white", width=4
    )
    return image


def with_emoji(image: Image.Image, count: int, dice: random.Random) -> Image.Image:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        side = round(min(image.size) * dice.uniform(0.15, 0.35))
        left = dice.randint(0, image.width - side)
        top = dice.randint(0, image.height - side)
        draw.ellipse((left, top, left + side, top + side), fill="#ffcc22", outline="#aa7700")
        for eye in (0.3, 0.6):
            draw.ellipse(
                (
                    left + eye * side,
                    top + 0.25 * side,
                    left + (eye + 0.12) * side,
                    top + 0.45 * side,
                ),
                fill="#442200",
            )
        box = (left + 0.22 * side, top + 0.3 * side, left + 0.78 * side, top + 0.82 * side)
        draw.arc(box, 20, 160, fill="#442200", width=max(2, side // 20))
    return image


def watermarked(image: Image.Image, dice: random.Random) -> Image.Image:
    """Lay half-transparent words over all of it."""
    marks = image.copy()
    step = max(24, image.height // 5)
    text = dice.choice(WORDS)
    for top in range(0, image.height, step):
        for left in range(-(top // 2) % 90 - 90, image.width, max(60, image.width // 3)):
            write(marks, (left, top), text, max(12, image.height // 12))
    return Image.blend(image, marks, 0.45)


def pasted(
    image: Image.Image, other: Image.Image, share: float, dice: random.Random
) -> Image.Image:
    """Lay the picture on another; it takes this share of the area."""
    factor = (share * other.width * other.height / (image.width * image.height)) ** 0.5
    factor = min(factor, other.width / image.width, other.height / image.height)
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    small = image.resize(size, BICUBIC)
    whole = other.copy()
    left = dice.randint(0, max(0, other.width - small.width))
    whole.paste(small, (left, dice.randint(0, max(0, other.height - small.height))))
    return whole


def phone_screenshot(image: Image.Image, dice: random.Random) -> Image.Image:
    """Show the picture in an app: bars, names, icons and lines of text around it."""
    dark = dice.random() < 0.5
    paper, ink = ("#121212", "#e8e8e8") if dark else ("#ffffff", "#222222")
    screen = Image.new("RGB", (540, 1100), paper)
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 540, 40), fill="#000000" if dark else "#eeeeee")
    write(screen, (16, 8), "12:45", 20, ink)
    draw.rectangle((470, 12, 510, 28), outline=ink, width=2)
    draw.ellipse((16, 60, 64, 108), fill=any_colour(dice))
    write(screen, (80, 66), dice.choice(["anna.lee", "gardens_daily", "tom"]), 24, ink)
    shown = ImageOps.contain(image, (540, 700), BICUBIC)
    top = 130 + (700 - shown.height) // 3
    screen.paste(shown, ((540 - shown.width) // 2, top))
    below = top + shown.height + 20
    for place in (20, 80, 140):
        draw.ellipse((place, below, place + 36, below + 36), outline=ink, width=3)
    for line in range(3):
        text = " ".join(dice.choice(WORDS) for _ in range(3))
        write(screen, (20, below + 55 + 34 * line), text, 22, ink)
    return screen


def browser_screenshot(image: Image.Image, dice: random.Random) -> Image.Image:
    screen = Image.new("RGB", (1280, 800), "#ffffff")
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, 1280, 38), fill="#dee1e6")
    draw.rectangle((8, 6, 230, 38), fill="#ffffff")
    draw.rectangle((0, 38, 1280, 76), fill="#f8f8f8")
    draw.rounded_rectangle((90, 44, 1100, 70), 12, fill="#e8eaed")
    write(screen, (110, 46), "https://www.example.org/pictures/4711", 18, "#444444")
    shown = ImageOps.contain(image, (760, 560), BICUBIC)
    screen.paste(shown, (60, 150))
    write(screen, (60, 96), dice.choice(WORDS).title(), 36, "#222222")
    for line in range(14):
        text = " ".join(dice.choice(WORDS) for _ in range(4))
        write(screen, (860, 150 + 40 * line), text, 20, "#333333")
    return screen


def write(
    image: Image.Image,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: str = "black",
    *,
    outlined: bool = False,
) -> None:
    font = ImageFont.load_default(size=size)
    draw = ImageDraw.Draw(image)
    if outlined:
        draw.text(place, text, "white", font, stroke_width=max(1, size // 12), stroke_fill="black")
    else:
        draw.text(place, text, colour, font)
