"""Read the values learned from photographs from the file beside this module. Imports no Django.

``python -m django_visualsnoop.engine.training.train`` makes the file; the model card
beside it lists the photographs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS
from django_visualsnoop.engine.descriptors.dihedral import FIXED, compute_dihedral_action

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PATH = Path(__file__).parent / "data" / "learned.npz"


class Learned(NamedTuple):
    """The matrices of the descriptor, and the weights of the calibration."""

    #: ``global_features.SIZE``: subtracted from the global features.
    mean: Floats
    #: ``global_features.SIZE`` x ``LEARNED``: the projection of the global features.
    projection: Floats
    #: ``LEARNED``: how turning the picture acts on each value; see ``dihedral``.
    kinds: NDArray[np.uint8]
    #: 128: subtracted from a RootSIFT descriptor.
    local_mean: Floats
    #: 128 x 64: its projection. The first 32 values stay when the picture is mirrored, the
    #: others change their sign.
    local_projection: Floats
    #: 1024 x 32: the words of the first 32 values.
    words: Floats
    #: 512 x 32: half of the words of the others, which are these and their negatives.
    signed_words: Floats
    #: The weights of ``calibration``.
    weights: Floats


class Centres(NamedTuple):
    """The centres of the words of one half of a local feature's values."""

    #: 1024 x 32.
    places: Floats
    #: Their squared lengths.
    squares: Floats


@cache
def load_learned() -> Learned:
    with np.load(PATH) as stored:
        values = {name: stored[name] for name in Learned._fields}
    floats = {
        name: value if name == "kinds" else value.astype(np.float32)
        for name, value in values.items()
    }
    return Learned(**floats)


@cache
def load_words() -> tuple[Centres, Centres]:
    """Return the centres of the words of the first 32 values, and of the others."""
    model = load_learned()
    halves = model.words, np.concatenate([model.signed_words, -model.signed_words])
    first, second = (Centres(places, (places**2).sum(axis=1)) for places in halves)
    return first, second


@cache
def load_dihedral_action() -> tuple[NDArray[np.intp], NDArray[np.int8]]:
    """Return ``dihedral.compute_dihedral_action`` of a whole global vector."""
    kinds = load_learned().kinds
    return compute_dihedral_action(
        np.pad(kinds, (0, DIMENSIONS - len(kinds)), constant_values=FIXED)
    )


def use_file(path: Path) -> None:
    """Read another file; for training only."""
    global PATH
    PATH = path
    load_learned.cache_clear()
    load_words.cache_clear()
    load_dihedral_action.cache_clear()
