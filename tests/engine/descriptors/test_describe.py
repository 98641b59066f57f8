from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.descriptors.describe import (
    DIMENSIONS,
    apply_dihedral_action,
    build_probes,
    describe,
)
from django_visualsnoop.engine.descriptors.descriptor import MAX_FEATURES, SIDE, normalise
from django_visualsnoop.engine.descriptors.local_features import (
    WORDS,
)
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare
from tests.collections.contract import image
from tests.engine.descriptors.scenes import pixels


def flat(*colour: int, size: tuple[int, int] = (90, 120)) -> np.ndarray:
    return np.full((*size, 3), colour, dtype=np.uint8)


def score(one: np.ndarray, other: np.ndarray) -> float:
    return compare(build_probes(one), describe(other)).score


def is_copy(one: np.ndarray, other: np.ndarray) -> bool:
    return calibration.score_to_similarity(score(one, other)) >= calibration.DEFAULT_MIN_SIMILARITY


def test_shape() -> None:
    found, again = describe(pixels(1)), describe(pixels(1))
    assert found.vector.dtype == np.int8
    assert found.vector.shape == (DIMENSIONS,)
    count = len(found.codes)
    assert 20 < count <= MAX_FEATURES
    assert found.words.shape == (count,)
    assert found.words.max() < WORDS
    assert found.places.shape == (count, 4)
    assert found.places[:, :2].max() < SIDE
    assert found.to_bytes() == again.to_bytes()


def test_turns_are_those_of_the_turned_picture() -> None:
    upright = pixels(1)
    turned = [np.rot90(upright, quarters) for quarters in range(4)]
    turned += [np.rot90(upright[:, ::-1], quarters) for quarters in range(4)]
    vectors = apply_dihedral_action(describe(upright).vector)
    assert vectors.shape == (8, DIMENSIONS)
    assert (vectors[0] == describe(upright).vector).all()
    for vector, picture in zip(vectors, turned, strict=True):
        expected = describe(np.ascontiguousarray(picture)).vector
        assert normalise(vector) @ normalise(expected) > 0.995
    scores = normalise(vectors) @ normalise(vectors).T
    np.fill_diagonal(scores, 0)
    assert scores.max() < 0.95


def test_edited_copies_are_close_and_others_are_not() -> None:
    for number in range(1, 13):
        original = Image.open(io.BytesIO(image(number))).convert("RGB")
        small = original.resize((120, 90))
        crop = original.crop((3, 2, 253, 190))
        jpeg = io.BytesIO()
        original.save(jpeg, "JPEG", quality=35)
        for edited in (np.asarray(small), np.asarray(crop), decode(jpeg.getvalue()).pixels):
            assert is_copy(np.ascontiguousarray(edited), pixels(number)), number
        assert not is_copy(pixels(number), pixels(number + 20)), number


def test_flat_pictures_are_known_by_their_files() -> None:
    assert is_copy(flat(200, 30, 30), flat(200, 30, 30))
    for other in (
        flat(200, 30, 30, size=(500, 40)),
        flat(201, 30, 30),
        flat(30, 30, 200),
        pixels(1),
        pixels(2),
    ):
        assert not is_copy(flat(200, 30, 30), other)
        assert not is_copy(other, flat(200, 30, 30))


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (2, 3)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    found = describe(flat(10, 20, 30, size=size))
    assert np.abs(found.vector).max() == 127
    assert is_copy(flat(10, 20, 30, size=size), flat(10, 20, 30, size=size))
