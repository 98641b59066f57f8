from __future__ import annotations

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors import matmul as module
from django_visualsnoop.engine.descriptors.matmul import matmul, matmul_row


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 97, 128])
@pytest.mark.parametrize(("inner", "columns"), [(128, 64), (32, 1024), (256, 8), (3, 1)])
def test_is_the_product(rows: int, inner: int, columns: int) -> None:
    left, right = floats(rows, inner), floats(inner, columns)
    expected = left.astype(np.float64) @ right.astype(np.float64)
    np.testing.assert_allclose(matmul(left, right), expected, atol=1e-3)
    np.testing.assert_allclose(matmul(left, right.T.copy().T), expected, atol=1e-3)
    out = np.empty((rows, columns), dtype=np.float32)
    assert matmul(left, right, out=out) is out
    np.testing.assert_allclose(out, expected, atol=1e-3)
    if rows:
        np.testing.assert_allclose(matmul_row(left[0], right), expected[0], atol=1e-3)


@pytest.mark.parametrize("rows", [1, 33, 128])
def test_asks_for_small_products_only(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = np.matmul

    def spied(one: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
        assert one.shape[-2] != 1  # a vector's product
        asked.append(one.shape[-2] * other.size)
        original(one, other, out=out)

    monkeypatch.setattr(np, "matmul", spied)
    matmul(floats(rows, 32), floats(32, 1024))
    assert max(asked) <= module._ALONE
