"""How found pictures are related: copies, variants, and other shots."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.models import IndexedImage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db


def encode(picture: Image.Image, **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", **{"quality": 85, **options})
    return written.getvalue()


@pytest.fixture
def photo(shared: Path) -> Image.Image:
    return Image.open(sorted((shared / "photos").iterdir())[4]).convert("RGB")


@pytest.fixture
def gallery(photo: Image.Image) -> Gallery:
    gallery = Gallery("default", "shop")
    gallery.store.put([gallery.describe_image(encode(photo), "photo")])
    return gallery


def relate(gallery: Gallery, picture: Image.Image, **options: Any) -> list[str | None]:
    return [hit.relation for hit in gallery.search(encode(picture, **options)).hits]


def cover(photo: Image.Image) -> Image.Image:
    covered = photo.copy()
    width, height = photo.size
    box = (width // 3, height // 3, width * 2 // 3, height * 2 // 3)
    ImageDraw.Draw(covered).ellipse(box, "red")
    return covered


@pytest.mark.parametrize(
    "edit",
    [
        lambda photo: photo,
        lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
        lambda photo: ImageEnhance.Brightness(photo).enhance(1.3),
        lambda photo: photo.convert("L").convert("RGB"),
        lambda photo: photo.crop((20, 20, photo.width - 40, photo.height - 10)),
        lambda photo: photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ],
    ids=["the same", "smaller", "brighter", "grey", "cropped", "mirrored"],
)
def test_edits_of_the_whole_picture_are_copies(
    gallery: Gallery, photo: Image.Image, edit: Callable[[Image.Image], Image.Image]
) -> None:
    assert relate(gallery, edit(photo)) == ["copy"]


def test_a_replaced_part_makes_a_variant(gallery: Gallery, photo: Image.Image) -> None:
    (hit,) = gallery.search(encode(cover(photo))).hits
    assert hit.relation == "variant"
    assert hit.difference is not None
    assert 0.05 < hit.difference < 0.4
    assert hit.rank >= 1000
    new = gallery.describe_image(encode(cover(photo)), "covered")
    gallery.store.put([new])
    assert list(gallery.find_pairs()) == []


def test_a_search_can_ask_for_some_relations(gallery: Gallery, photo: Image.Image) -> None:
    covered = encode(cover(photo))
    assert not gallery.search(covered, SearchOptions(relations=["copy"])).hits
    assert gallery.search(covered, SearchOptions(relations=["variant", "shot"])).hits
    assert gallery.search(encode(photo), SearchOptions(relations=["copy"])).hits


def test_two_capture_times_make_two_shots(photo: Image.Image) -> None:
    def taken(second: int) -> bytes:
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Example", "Camera 1"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:06 07:08:{second:02}"
        return encode(photo, exif=exif)

    gallery = Gallery("default", "shop")
    gallery.store.put([gallery.describe_image(taken(number), str(number)) for number in (1, 2)])
    assert [hit.relation for hit in gallery.search_by_id("1").hits] == ["shot"]
    assert [hit.relation for hit in gallery.search(taken(1)).hits] == ["copy", "shot"]
    assert list(gallery.find_pairs()) == []
    # Nothing else is needed for that: images of a broken thumbnail are told apart as well.
    IndexedImage.objects.filter(image_id="2").update(thumbnail=b"broken")
    assert [hit.relation for hit in gallery.search_by_id("1").hits] == ["shot"]
    assert list(gallery.find_pairs()) == []
    unaware = Gallery("default", "other", capture_times=False)
    unaware.store.put([unaware.describe_image(taken(number), str(number)) for number in (1, 2)])
    assert [hit.relation for hit in unaware.search_by_id("1").hits] == ["copy"]


def test_images_of_a_release_without_thumbnails_are_found(
    gallery: Gallery, photo: Image.Image
) -> None:
    IndexedImage.objects.update(version=4)  # as an old process leaves a replaced picture
    (hit,) = gallery.search(encode(photo)).hits
    assert (hit.rank, hit.relation, hit.difference) == (0, None, None)
    assert list(gallery.iterate_outdated_ids()) == ["photo"]
    assert gallery.search(encode(photo), SearchOptions(relations=["copy"])).hits


def test_a_broken_thumbnail_harms_no_search(gallery: Gallery, photo: Image.Image) -> None:
    IndexedImage.objects.update(thumbnail=b"broken")
    assert relate(gallery, photo) == [None]


def test_what_is_kept_of_a_photograph_is_small(shared: Path) -> None:
    sizes = []
    for path in sorted((shared / "photos").iterdir())[:20]:
        new = Gallery("default", "shop").describe_image(path.read_bytes(), "a")
        assert new.thumbnail is not None
        sizes.append(len(new.vector) + len(new.thumbnail))
    assert np.mean(sizes) < 4096
