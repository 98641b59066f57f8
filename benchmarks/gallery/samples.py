"""Draw pairs for a person to label, and write sheets that show them."""

from __future__ import annotations

import csv
import random
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from benchmarks.gallery.pictures import SEED
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.training.repositories import read_blobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.gallery.pictures import Picture
    from django_visualsnoop.collections.base import ImagePair

#: The set of pairs whose pictures are of two sets.
TWO_SETS = "two sets"
#: Size of a picture on a sheet, and pairs across and down.
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 330, 250, 2, 5
_MARGIN, _CAPTION = 10, 44


def get_set_name(pair: ImagePair, pictures: Mapping[str, Picture]) -> str:
    first, second = pictures[pair.first_id].set, pictures[pair.second_id].set
    return first.name if first == second else TWO_SETS


def draw_any(pairs: Sequence[ImagePair], count: int) -> list[ImagePair]:
    """Return pairs drawn at random: sets with more pairs give more of them."""
    return random.Random(SEED).sample(pairs, min(count, len(pairs)))


def draw_by_set(
    pairs: Sequence[ImagePair], pictures: Mapping[str, Picture], count: int
) -> list[ImagePair]:
    """Return pairs drawn at random, as many of each set as it has, up to an equal number."""
    by_set: dict[str, list[ImagePair]] = {}
    for pair in pairs:
        by_set.setdefault(get_set_name(pair, pictures), []).append(pair)
    dice = random.Random(SEED)
    for some in by_set.values():
        dice.shuffle(some)
    rounds = max(map(len, by_set.values()), default=0)
    in_turn = [
        some[number] for number in range(rounds) for some in by_set.values() if number < len(some)
    ]
    return sorted(in_turn[:count], key=lambda pair: (pair.first_id, pair.second_id))


def write_sample(
    folder: Path, name: str, pairs: Sequence[ImagePair], pictures: Mapping[str, Picture]
) -> None:
    """Write a table with a column for labels, and the sheets."""
    with (folder / f"{name}.tsv").open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file, delimiter="\t", lineterminator="\n")
        columns = ["repository", "path", "other_repository", "other_path"]
        write.writerow(["pair", *columns, "similarity", "label"])
        for number, pair in enumerate(pairs, 1):
            first, second = pictures[pair.first_id], pictures[pair.second_id]
            paths = [first.set.repository, first.path, second.set.repository, second.path]
            write.writerow([number, *paths, f"{pair.similarity:.6f}", ""])
    sheets = folder / f"{name}-sheets"
    sheets.mkdir(exist_ok=True)
    per_sheet = _ACROSS * _DOWN
    for start in range(0, len(pairs), per_sheet):
        sheet = _draw_sheet(start + 1, pairs[start : start + per_sheet], pictures)
        sheet.save(sheets / f"{start // per_sheet + 1:03}.jpg", quality=88)


def _draw_sheet(
    first_number: int, pairs: Sequence[ImagePair], pictures: Mapping[str, Picture]
) -> Image.Image:
    width, height = 2 * _WIDTH + 3 * _MARGIN, _HEIGHT + _CAPTION + 2 * _MARGIN
    rows = -(-len(pairs) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(20), ImageFont.load_default(13)
    for place, pair in enumerate(pairs):
        left, top = place % _ACROSS * width + _MARGIN, place // _ACROSS * height + _MARGIN
        draw.text((left, top), f"{first_number + place}", "black", font)
        draw.text((left + 60, top), f"{pair.similarity:.4f}", "black", font)
        for column, image_id in enumerate((pair.first_id, pair.second_id)):
            along = left + column * (_WIDTH + _MARGIN)
            draw.text((along, top + 25), image_id, "#444", small)
            shown = _read_picture(pictures[image_id])
            sheet.paste(shown, (along, top + _CAPTION))
            box = (along - 1, top + _CAPTION - 1)
            draw.rectangle(
                (*box, box[0] + shown.width + 1, box[1] + shown.height + 1), None, "#bbb"
            )
    return sheet


def _read_picture(picture: Picture) -> Image.Image:
    (content,) = read_blobs(picture.folder, [picture.blob])
    assert content is not None
    shown = Image.fromarray(decode(content).pixels)
    # Small pictures are enlarged, so that details can be told.
    scale = min(_WIDTH / shown.width, _HEIGHT / shown.height, 4)
    size = max(1, round(shown.width * scale)), max(1, round(shown.height * scale))
    return shown.resize(size, Image.Resampling.LANCZOS)
