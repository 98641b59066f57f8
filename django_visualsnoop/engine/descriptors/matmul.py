"""Multiply small matrices in the calling thread alone. Imports no Django.

For a product of more than some hundred thousand multiplications, OpenBLAS wakes a
thread per core; they wait busily for the next product. A descriptor or a search computes
a few products just above that size, so the waiting would cost many times their work. numpy
has no switch for this, and OpenBLAS's own switch affects the whole process, which belongs to
the project. So this module computes larger products as a stack of smaller ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: Most multiplications in a product of two matrices for which OpenBLAS wakes no threads: its
#: SMP_THRESHOLD_MIN times GEMM_MULTITHREAD_THRESHOLD.
_ALONE = 65536 * 4


def matmul(rows: Floats, columns: Floats, out: Floats | None = None) -> Floats:
    """Return ``rows @ columns``.

    Args:
        rows: n x k, float32.
        columns: k x m, float32; at most 131,072 values.
        out: n x m, contiguous; array for the result, if given.
    """
    (n, k), m = rows.shape, columns.shape[1]
    result = np.empty((n, m), dtype=np.float32) if out is None else out
    together = max(2, _ALONE // max(1, k * m))
    whole = n // together * together
    stack = np.ascontiguousarray(rows[:whole]).reshape(-1, together, k)
    np.matmul(stack, columns, out=result[:whole].reshape(-1, together, m))
    if n - whole == 1:  # numpy would ask for a vector's product
        result[whole] = matmul_row(rows[whole], columns)
    else:
        np.matmul(rows[whole:], columns, out=result[whole:])
    return result


def matmul_row(row: Floats, columns: Floats) -> Floats:
    """Return ``row @ columns``, of k values and a matrix k x m.

    In OpenBLAS, such products wake threads from 9,216 values of the matrix on, so this avoids it.
    """
    values: Floats = np.einsum("k,km->m", row, columns)
    return values
