"""Local features as sparse vectors, with a value for each key; see ``index.keys``.

The memory index takes a little off a vote for each bit of the code that differs. Here, a feature
whose key agrees has a whole vote: how many bits differ is unknown. So two equal keys are enough for
a closer look; see ``search.VOTED``. If it takes three, searches by id miss some strongly edited
copies that they find in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.keys import build_keys, build_query_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor
    from django_visualsnoop.engine.index.base import Features

#: Milvus does not accept 2**32 - 1 as a place in a vector, nor vectors without values. This place
#: stands for an image without features, and is never asked for.
_NO_FEATURES = 2**32 - 2
#: The place of the two or three keys that have none of their own.
_LAST = 2**32 - 3


def build_sparse_vector(descriptor: Descriptor | None) -> dict[int, float]:
    """Return the vector to store: 1 for each key of an image's features."""
    if descriptor is None or not len(descriptor.codes):
        return {_NO_FEATURES: 1.0}
    return dict.fromkeys(_fit(build_keys(descriptor.words, descriptor.codes)), 1.0)


def build_sparse_query(view: Features) -> dict[int, float]:
    """Return the vector to search for, whose product with a stored one is the number of votes.

    A feature votes for each of its near words under which the image has the same bits of a code,
    so twice if the image has two such features. Those are rare.
    """
    found = build_query_keys(view)
    places, counts = np.unique(found.keys, return_counts=True)
    vector: dict[int, float] = {}
    for place, count in zip(_fit(places), counts.tolist(), strict=True):
        vector[place] = vector.get(place, 0.0) + count
    return vector


def _fit(keys: NDArray[np.unsignedinteger]) -> list[int]:
    places: list[int] = np.minimum(keys, np.uint32(_LAST)).tolist()
    return places
