"""Pictures that are flat but for a mark, such as a logo on a ground."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.descriptors.describe import (
    build_probes,
    build_stored_probes,
    describe,
)
from django_visualsnoop.engine.descriptors.dihedral import TURNS, turn_pixels
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.matching.compare import Comparison

GROUNDS = {"dark": ((30, 30, 46), (205, 214, 244)), "light": ((203, 166, 247), (17, 17, 27))}
SIZE = 1280, 720


def _ring(draw: ImageDraw.ImageDraw, colour: tuple[int, int, int]) -> None:
    draw.arc((590, 310, 690, 410), 20, 150, colour, 22)
    draw.arc((590, 310, 690, 410), 200, 330, colour, 22)
    draw.ellipse((622, 342, 658, 378), colour)


def _robot(draw: ImageDraw.ImageDraw, colour: tuple[int, int, int]) -> None:
    draw.pieslice((605, 295, 675, 365), 180, 360, colour)
    draw.rectangle((605, 338, 675, 400), colour)
    for left in (590, 680):
        draw.rounded_rectangle((left, 338, left + 10, 382), 5, colour)
    for left in (618, 650):
        draw.rectangle((left, 400, left + 13, 424), colour)


def _blades(draw: ImageDraw.ImageDraw, colour: tuple[int, int, int]) -> None:
    for step in range(6):
        angle = np.pi * step / 3
        x, y = 640 + 36 * np.cos(angle), 360 + 36 * np.sin(angle)
        across, along = 16 * np.sin(angle), 16 * np.cos(angle)
        draw.polygon([(640, 360), (x - across, y + along), (x + across, y - along)], colour)


LOGOS = (_ring, _robot, _blades)


def _draw(logo: Callable[..., None], ground: str) -> Image.Image:
    behind, before = GROUNDS[ground]
    picture = Image.new("RGB", SIZE, behind)
    logo(ImageDraw.Draw(picture), before)
    return picture


def _read(picture: Image.Image) -> np.ndarray:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return decode(buffer.getvalue()).pixels


def _compare_both_ways(pixels: np.ndarray, stored: Descriptor) -> list[Comparison]:
    return [
        compare(probes, stored)
        for probes in (build_probes(pixels), build_stored_probes(describe(pixels)))
    ]


@pytest.mark.parametrize("ground", GROUNDS)
def test_other_logos_on_one_ground_are_no_copies(ground: str) -> None:
    pictures = [_read(_draw(logo, ground)) for logo in LOGOS]
    for one, other in combinations(pictures, 2):
        for found in _compare_both_ways(one, describe(other)):
            assert found.relation.copy_score < 0
            assert found.relation.name != COPY


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("logo", LOGOS)
def test_edits_of_a_logo_on_a_ground_are_copies(logo: Callable[..., None], ground: str) -> None:
    picture = _draw(logo, ground)
    stored = describe(_read(picture))
    edits = [
        picture,
        picture.resize((640, 360)),
        ImageOps.mirror(picture),
    ]
    for edit in edits:
        for found in _compare_both_ways(_read(edit), stored):
            assert found.relation.copy_score >= 0


@pytest.mark.parametrize("turn", range(len(TURNS)))
def test_a_picture_turns_as_its_vector_does(turn: int) -> None:
    picture = Image.new("RGB", (240, 160), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((20, 20, 90, 60), "navy")
    draw.ellipse((150, 30, 220, 140), "orange")
    pixels = np.asarray(picture)
    closest = build_stored_probes(describe(pixels)).vectors.astype(np.float64)
    turned = describe(turn_pixels(pixels, turn)).vector.astype(np.float64)
    lengths = np.linalg.norm(closest, axis=1) * np.linalg.norm(turned)
    assert int(np.argmax(closest @ turned / lengths)) == turn
