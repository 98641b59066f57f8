"""Turn a projection of the global features with the picture. Imports no Django.

The eight turns of a square form a group, D4. A vector space on which it acts
splits into kinds of values (its irreducible representations): four that only
change their sign, and pairs that also swap places. Here each value of a
projection has one kind. So the vector of a turned or mirrored picture follows
from that of the picture, without its pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The kinds of values that change their sign, by (when turned by a quarter, when mirrored).
SIGNED = ((1, 1), (1, -1), (-1, 1), (-1, -1))
#: Members of a pair, which are adjacent. Turned by a quarter counterclockwise, the first
#: takes the second's value, the second the negative of the first's; mirrored left to right, the
#: first changes its sign.
FIRST, SECOND = 4, 5
#: The kind that no turn changes.
FIXED = 0

#: Quarters counterclockwise, and whether mirrored left to right before.
TURNS = [(quarters, mirrored) for mirrored in (False, True) for quarters in range(4)]


def turn_pixels(pixels: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Return a turned picture.

    Args:
        pixels: height x width x channels.
        turn: index in ``TURNS``.
    """
    quarters, mirrored = TURNS[turn]
    turned: NDArray[np.uint8] = np.rot90(np.fliplr(pixels) if mirrored else pixels, quarters)
    return np.ascontiguousarray(turned)


def compute_dihedral_action(kinds: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.int8]]:
    """Return the sources of the turned vectors' values, and their signs: both 8 x n.

    The order is that of ``global_features.compute_permutations``.
    """
    rows, signs = [], []
    for quarters, mirrored in TURNS:
        row = np.arange(len(kinds))
        sign = np.ones(len(kinds), dtype=np.int8)
        for kind, (when_turned, when_mirrored) in enumerate(SIGNED):
            sign[kinds == kind] = when_turned**quarters * (when_mirrored if mirrored else 1)
        first = np.flatnonzero(kinds == FIRST)
        second = first + 1
        if mirrored:
            sign[first] = -1
        for _ in range(quarters):
            row[first], row[second] = row[second], row[first].copy()
            sign[first], sign[second] = sign[second], -sign[first]
        rows.append(row)
        signs.append(sign)
    return np.stack(rows), np.stack(signs)


def compute_bases(permutations: NDArray[np.intp]) -> list[NDArray[np.float64]]:
    """Return an orthonormal basis of each signed kind, and of the first members of pairs.

    Args:
        permutations: how the eight turns permute the space's values; 8 x n.

    Returns:
        Five matrices of n rows.
    """
    size = permutations.shape[1]
    matrices = np.eye(size)[permutations]  # matrices[g] @ values = values[permutations[g]]
    projectors = [
        sum(
            when_turned**quarters * (when_mirrored if mirrored else 1) * matrices[number] / 8
            for number, (quarters, mirrored) in enumerate(TURNS)
        )
        for when_turned, when_mirrored in SIGNED
    ]
    half_turn, mirror = matrices[2], matrices[4]
    # Mirrored left to right, they change their sign; mirrored upside down, they stay the same.
    one = np.eye(size)
    projectors.append((one - mirror) @ (one + mirror @ half_turn) / 4)
    found = []
    for projector in projectors:
        values, vectors = np.linalg.eigh(np.asarray(projector))
        found.append(vectors[:, values > 0.5])
    return found
