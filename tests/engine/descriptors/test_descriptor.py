from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, SIDE, VERSION, Descriptor


def random_descriptor(count: int, seed: int = 0) -> Descriptor:
    dice = np.random.default_rng(seed)
    return Descriptor(
        dice.integers(-127, 128, DIMENSIONS, dtype=np.int8),
        dice.integers(0, 2**64, count, dtype=np.uint64),
        dice.integers(0, 2**20, count, dtype=np.uint32),
        dice.integers(0, SIDE, (count, 4), dtype=np.uint8),
    )


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128])
def test_there_and_back(count: int) -> None:
    descriptor = random_descriptor(count)
    content = descriptor.to_bytes()
    assert len(content) <= 2179
    back = Descriptor.from_bytes(content)
    assert back.by_file is False
    for name in ("vector", "codes", "words", "places"):
        one, other = getattr(descriptor, name), getattr(back, name)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert (one == other).all()


def test_bytes_that_are_none() -> None:
    content = random_descriptor(5).to_bytes()
    for length in range(len(content)):
        with pytest.raises(ValueError, match="descriptor"):
            Descriptor.from_bytes(content[:length])
    vector, features = content[:DIMENSIONS], content[DIMENSIONS + 3 :]
    for version, rest in (
        (-1, b"\5\0"),
        (1, b"\5\0"),
        (0, b"\4\0"),
        (0, b"\x81\0"),
        (0, b"\5\0\0"),
    ):
        broken = vector + bytes([VERSION + version]) + rest + features
        with pytest.raises(ValueError, match="descriptor"):
            Descriptor.from_bytes(broken)
