from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.descriptors import weights
from django_visualsnoop.engine.descriptors.describe import (
    apply_dihedral_action,
    describe,
)
from django_visualsnoop.engine.descriptors.descriptor import normalise
from django_visualsnoop.engine.training import train

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_learning_is_repeatable_and_its_vectors_turn(
    photos: list[list[np.ndarray]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(train, "EDITS", 3)
    made, again = train.learn(photos), train.learn(photos)
    for name in made._fields:
        assert (getattr(made, name) == getattr(again, name)).all(), name
    for path in (tmp_path / "one.npz", tmp_path / "other.npz"):
        train.save(made, path)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()
    shipped = weights.PATH
    try:
        weights.use_file(tmp_path / "one.npz")
        picture = photos[0][0]
        vector = apply_dihedral_action(describe(picture).vector)[1]
        turned = describe(np.ascontiguousarray(np.rot90(picture))).vector
        assert normalise(vector) @ normalise(turned) > 0.99
    finally:
        weights.use_file(shipped)
