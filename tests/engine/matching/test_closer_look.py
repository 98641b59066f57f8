"""Small local differences between two decoded pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching import closer_look
from django_visualsnoop.engine.matching.closer_look import EVIDENCE, find_differences, look_closer
from django_visualsnoop.engine.matching.overlay import find_full_features
from tests.engine.flavours import draw_carton, draw_receipt, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def pixels(picture: Image.Image, quality: int = 88) -> NDArray[np.uint8]:
    return decode(encode(picture, quality)).pixels


def relate(one: Image.Image, other: Image.Image, quality: int = 75) -> str | None:
    found = look_closer(pixels(one), pixels(other, quality))
    return None if found is None else found.relation


def tilt(picture: Image.Image) -> Image.Image:
    return picture.rotate(4, Image.Resampling.BICUBIC, fillcolor="#808080")


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "encoded again": lambda picture: picture,
    "smaller": lambda picture: picture.resize((picture.width * 3 // 5, picture.height * 3 // 5)),
    "squeezed": lambda picture: picture.resize((picture.width, picture.height * 4 // 5)),
    "cropped": lambda picture: picture.crop((20, 20, picture.width - 40, picture.height - 10)),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "more contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.4),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "sepia": lambda picture: ImageOps.colorize(picture.convert("L"), "#2a1a08", "#ffeecc"),
    "mirrored": ImageOps.mirror,
    "turned": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "tilted": tilt,
    "framed": lambda picture: ImageOps.expand(picture, 30, "#702030"),
}


@pytest.fixture
def photos(shared: Path) -> list[Path]:
    """Photographs of some hundred pixels: in smaller ones, a label cannot be read."""
    found = sorted((shared / "photos").glob("*.jpg"))[3:120:19]
    return [path for path in found if min(decode(path.read_bytes()).pixels.shape[:2]) > 300][:3]


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_edits_of_all_of_a_picture_are_copies(
    photos: list[Path], edit: Callable[[Image.Image], Image.Image]
) -> None:
    for photo in photos:
        carton = draw_carton(photo, "Vanilla")
        assert relate(carton, edit(carton)) in ("copy", None)
    page = draw_receipt("02/05/2026")
    assert relate(page, edit(page)) in ("copy", None)


@pytest.mark.parametrize("name", ["encoded again", "smaller", "cropped", "brighter", "mirrored"])
def test_another_flavour_is_a_variant_however_it_was_edited(photos: list[Path], name: str) -> None:
    for photo in photos:
        one, other = draw_carton(photo, "Vanilla"), draw_carton(photo, "Cherry")
        assert relate(one, EDITS[name](other)) == "variant"


def test_another_date_on_a_receipt_is_a_variant() -> None:
    one, other = draw_receipt("02/05/2026  Till 3"), draw_receipt("19/11/2026  Till 8")
    found = look_closer(pixels(one), pixels(other))
    assert found is not None
    assert (found.relation, found.score < 0) == ("variant", True)
    assert 0 < found.difference < 0.05
    same = look_closer(pixels(one), pixels(one, 70))
    assert same is not None
    assert (same.relation, same.difference) == ("copy", 0.0)


def test_which_picture_is_the_first_hardly_matters(photos: list[Path]) -> None:
    one, other = (pixels(draw_carton(photos[0], text)) for text in ("Vanilla", "Cherry"))
    first, second = look_closer(one, other), look_closer(other, one)
    assert first is not None
    assert second is not None
    assert first.relation == second.relation == "variant"
    assert first.difference == pytest.approx(second.difference, abs=0.005)


def test_known_features_change_nothing() -> None:
    one, other = (pixels(draw_receipt(date)) for date in ("02/05/2026", "19/11/2026"))
    features = find_full_features(one), find_full_features(other)
    assert look_closer(one, other, *features) == look_closer(one, other)


@pytest.mark.parametrize("size", [(1, 1), (9, 500), (512, 3), (120, 120)])
def test_nothing_is_said_of_pictures_without_details(size: tuple[int, int]) -> None:
    blank = np.full((*size, 3), 200, dtype=np.uint8)
    page = pixels(draw_receipt("02/05/2026"))
    assert look_closer(blank, blank) is None
    assert look_closer(blank, page) is None
    assert look_closer(page, blank) is None


def test_nothing_is_said_of_different_pictures(photos: list[Path]) -> None:
    one, other = (decode(photo.read_bytes()).pixels for photo in photos[:2])
    assert look_closer(one, other) is None


def test_what_a_library_cannot_compute_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise cv2.error("degenerate")

    monkeypatch.setattr(closer_look, "find_map", fail)
    page = pixels(draw_receipt("02/05/2026"))
    assert look_closer(page, page) is None


def test_evidence_has_its_names_and_is_finite() -> None:
    one, other = (pixels(draw_receipt(date)) for date in ("02/05/2026", "19/11/2026"))
    found = find_differences(one, other)
    assert found is not None
    assert found.evidence is not None
    assert len(found.evidence) == len(EVIDENCE)
    assert np.isfinite(found.evidence).all()


def test_bent_paper_is_no_difference() -> None:
    page = pixels(draw_receipt("02/05/2026"), 92)
    height, width = page.shape[:2]
    down, across = np.mgrid[:height, :width].astype(np.float32)
    bent = cv2.remap(
        page,
        across + 3 * np.sin(down / 80),
        down + 3 * np.cos(across / 70),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    found = look_closer(page, bent.astype(np.uint8))
    assert found is not None
    assert found.relation == "copy"


def test_a_model_fitted_to_other_evidence_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, evidence=np.array(["other"]), weights=np.zeros(1), base=0.0)
    monkeypatch.setattr(closer_look, "PATH", path)
    closer_look.load_model.cache_clear()
    with pytest.raises(ValueError, match="fitted again"):
        closer_look.load_model()
    closer_look.load_model.cache_clear()
