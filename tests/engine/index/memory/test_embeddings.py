"""The index of embeddings, and the closest of its images, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.index.memory import layers
from django_visualsnoop.engine.index.memory.codes import pack_signs
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
from django_visualsnoop.engine.index.memory.layers import select_visible
from tests.engine.index.memory.brute_force import find_closest


def made(dice: np.random.Generator, width: int) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    return dice.integers(-127, 128, width).astype(np.int8)


@pytest.mark.parametrize("width", [1, 3, 64, 768])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_brute_force(width: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "WAITING", 5)
    monkeypatch.setattr(layers, "_SMALL", 4)
    dice = np.random.default_rng(seed)
    index, images = EmbeddingIndex(), {}
    for _ in range(300):
        image_id = str(dice.integers(60))
        if dice.random() < 0.7:
            images[image_id] = made(dice, width)
            index.put(image_id, images[image_id].tobytes())
        else:
            index.discard(image_id)
            images.pop(image_id, None)
    assert len(index) == len(images)
    for allowed in (None, set(), {"3", "5", "nowhere"}, {str(number) for number in range(40)}):
        for limit in (0, 1, 7, 1000):
            probe, without = made(dice, width), {"5", "6"}
            expected = sorted(
                (-float(normalise(vector) @ normalise(probe)), image_id)
                for image_id, vector in images.items()
                if image_id not in without and (allowed is None or image_id in allowed)
            )[:limit]
            found = find_closest(
                select_visible(index.list_visible(), allowed, without), probe, limit
            )
            if width > 1:  # of one value, all that point the same way are equally close
                assert [one.image_id for one in found] == [image_id for _, image_id in expected]
            assert [-one.cosine for one in found] == pytest.approx(
                [score for score, _ in expected], abs=1e-5
            )
    for image_id in map(str, range(60)):
        vector = index.get_vector(image_id)
        assert (vector is None) == (image_id not in images)
        assert vector is None or vector.tolist() == images[image_id].tolist()


def test_equally_close_ones_come_by_id_however_few_are_wanted() -> None:
    index = EmbeddingIndex()
    for image_id in "dacb":
        index.put(image_id, bytes([1, 2]))
    found = find_closest(index.list_visible(), np.array([1, 2], dtype=np.int8), 2)
    assert [one.image_id for one in found] == ["a", "b"]


def test_vectors_of_another_length_are_refused_and_not_compared() -> None:
    index = EmbeddingIndex()
    index.put("a", bytes([1, 2]))
    for content in (b"", bytes([1]), bytes([1, 2, 3])):
        with pytest.raises(ValueError, match=f"must have 2 values, not {len(content)}"):
            index.put("b", content)
    assert find_closest(index.list_visible(), np.array([1, 2, 3], dtype=np.int8), 5) == []
    assert len(index) == 1


def test_vectors_of_one_direction_are_equally_close_whatever_their_lengths() -> None:
    index = EmbeddingIndex()
    index.put("b", bytes([1, 2]))
    index.put("a", bytes([3, 6]))
    found = find_closest(index.list_visible(), np.array([10, 19], dtype=np.int8), 2)
    assert [one.image_id for one in found] == ["a", "b"]
    assert len({one.cosine for one in found}) == 1


@pytest.mark.parametrize(
    ("centred", "width", "columns"), [(True, 256, 4), (True, 100, 0), (False, 256, 0)]
)
def test_signs_are_kept_where_they_tell_something(
    centred: bool, width: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "WAITING", 2)
    dice = np.random.default_rng(1)
    index = EmbeddingIndex(centred=centred)
    for number in range(5):
        index.put(str(number), made(dice, width).tobytes())
    (part,) = index.list_visible()
    assert len(part.segment.bits) == columns
    if columns:
        for column, expected in zip(
            part.segment.bits, pack_signs(part.segment.vectors), strict=True
        ):
            assert column.tolist() == expected.tolist()
    bytes_per_image = index.nbytes / 5 - 4  # and when it died
    assert bytes_per_image == width + 8 * columns + 8 + 8 + 4 + 1
