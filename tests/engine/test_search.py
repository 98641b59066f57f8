from __future__ import annotations

import io

import pytest
from PIL import Image, ImageOps

from django_visualsnoop.collections.local import LocalCollection
from tests.collections.contract import image

pytestmark = pytest.mark.django_db


def written(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def collection() -> LocalCollection:
    """Three scenes, a part of the first, and its mirror image."""
    collection = LocalCollection("shop", {})
    for number in (1, 2, 3):
        collection.add_image(image(number), f"scene {number}")
    scene = Image.open(io.BytesIO(image(1))).convert("RGB")
    width, height = scene.size
    part = scene.crop((width // 4, height // 4, width, height))
    collection.add_image(written(part), "part")
    collection.add_image(written(ImageOps.mirror(scene)), "mirrored")
    return collection


def ids(collection: LocalCollection, number: int, **options: object) -> set[str]:
    found = collection.search_images(image(number), **options)  # type: ignore[arg-type]
    return {match["id"] for match in found["results"]}


def test_finds_parts_and_mirror_images(collection: LocalCollection) -> None:
    assert ids(collection, 1) == {"scene 1", "part", "mirrored"}
    assert ids(collection, 2) == {"scene 2"}
    assert ids(collection, 1, allowed=["part", "scene 2"]) == {"part"}
    by_id = collection.search_images_by_id("part")["results"]
    assert {match["id"] for match in by_id} == {"scene 1", "mirrored"}


def test_pairs(collection: LocalCollection) -> None:
    group = {("mirrored", "part"), ("mirrored", "scene 1"), ("part", "scene 1")}
    found = [(pair.first_id, pair.second_id) for pair in collection.iter_pairs()]
    assert len(found) == 3
    assert set(found) == group
    touching = collection.iter_pairs(touching=["scene 1", "scene 2"])
    assert sorted((pair.first_id, pair.second_id) for pair in touching) == [
        ("mirrored", "scene 1"),
        ("part", "scene 1"),
    ]


@pytest.mark.parametrize("touching", [None, ["scene 1", "scene 2"]])
def test_pairs_tell_how_far_they_are(
    collection: LocalCollection, touching: list[str] | None
) -> None:
    shares: list[float] = []
    list(collection.iter_pairs(touching=touching, progress=shares.append))
    assert shares
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
