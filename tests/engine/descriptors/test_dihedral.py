from __future__ import annotations

import numpy as np

from django_visualsnoop.engine.descriptors.dihedral import (
    FIRST,
    SECOND,
    compute_bases,
    compute_dihedral_action,
)
from django_visualsnoop.engine.descriptors.global_features import SIZE, compute_permutations


def test_bases_span_everything_once() -> None:
    found = compute_bases(compute_permutations())
    assert sum(basis.shape[1] for basis in found[:4]) + 2 * found[4].shape[1] == SIZE
    both = np.concatenate(found, axis=1)
    assert np.abs(both.T @ both - np.eye(both.shape[1])).max() < 1e-9


def test_projections_turn_by_kind() -> None:
    turns = compute_permutations()
    found = compute_bases(turns)
    quarter = np.eye(SIZE)[turns[1]]
    columns, kinds = [], []
    for kind, basis in enumerate(found):
        columns += [basis[:, 0], quarter.T @ basis[:, 0]] if kind == FIRST else [basis[:, 0]]
        kinds += [FIRST, SECOND] if kind == FIRST else [kind]
    projection = np.stack(columns, axis=1)
    rows, signs = compute_dihedral_action(np.array(kinds, dtype=np.uint8))
    values = np.random.default_rng(0).normal(size=SIZE)
    expected = values[turns] @ projection
    assert np.abs((values @ projection)[rows] * signs - expected).max() < 1e-9
