from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.descriptors.describe import build_probes, describe
from django_visualsnoop.engine.index.base import Candidate
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.search import CLOSEST, select_worth_comparing
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
    found = collection.search_images(image(number), SearchOptions(**options))  # type: ignore[arg-type]
    return {match.image_id for match in found.matches}


def test_finds_parts_and_mirror_images(collection: LocalCollection) -> None:
    assert ids(collection, 1) == {"scene 1", "part", "mirrored"}
    assert ids(collection, 2) == {"scene 2"}
    assert ids(collection, 1, allowed=["part", "scene 2"]) == {"part"}
    by_id = collection.search_images_by_id("part").matches
    assert {match.image_id for match in by_id} == {"scene 1", "mirrored"}


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


def test_what_little_speaks_for_is_looked_at_beyond_the_closest() -> None:
    """A copy may have a cosine of 0.6 and no vote, a small part of a picture two votes."""
    closest = [Candidate(f"closest {number}", 0.1, 0, 0.0, 0) for number in range(CLOSEST)]
    others = [
        Candidate("close", 0.6, 0, 0.0, 0),
        Candidate("hardly close", 0.59, 0, 1.4, 0),
        Candidate("voted for", 0.1, 0, 1.5, 0),
    ]
    found = select_worth_comparing([*closest, *others])
    assert found[:CLOSEST] == [one.image_id for one in closest]
    assert found[CLOSEST:] == ["close", "voted for"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_some_features_of_a_picture_do_not_hide_that_it_is_mirrored(number: int) -> None:
    """A part is seen as it was, such as a mark that is put on after mirroring."""
    scene = Image.open(io.BytesIO(image(number))).convert("RGB")
    width, height = scene.size
    mirrored = ImageOps.mirror(scene)
    mirrored.paste(scene.crop((0, 0, width // 2, height // 3)), (0, 0))
    found = compare(build_probes(np.asarray(scene)), describe(np.asarray(mirrored)))
    assert found.picture == 1
    assert found.alignment.inliers > 4
