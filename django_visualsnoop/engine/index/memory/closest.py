"""Find the images whose vectors are closest to one, by comparing all.

Signs find copies faster (see ``codes``), but say little about the vectors of other models:
those may all lie on one side.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.index.base import DECIMALS, CloseImage
from django_visualsnoop.engine.index.memory.codes import compute_cosines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.layers import AnySegment, SegmentT, Visible

#: For at most this share of a segment's images, gather the vectors first.
_FEW = 0.25


def find_closest(
    parts: Sequence[Visible[SegmentT]], probe: NDArray[np.int8], limit: int
) -> list[CloseImage]:
    """Return the closest images by cosine, equally close ones by id.

    Args:
        parts: the collection, and which of its images to find.
        probe: d; segments with vectors of another length are skipped.
        limit: the largest number of images.
    """
    parts = [part for part in parts if part.segment.vectors.shape[1:] == probe.shape]
    slots = [_list_slots(*part) for part in parts]
    scores = [
        _compute_cosines(part.segment.vectors, places, probe)
        for part, places in zip(parts, slots, strict=True)
    ]
    joined = np.concatenate([*scores, np.empty(0, dtype=np.float32)]).round(DECIMALS)
    chosen = np.arange(len(joined))
    if len(joined) > limit > 0:
        # Include all that are as close as the last wanted one: their ids decide.
        least = np.partition(joined, len(joined) - limit)[len(joined) - limit]
        chosen = np.flatnonzero(joined >= least)
    bounds = np.cumsum([0, *map(len, scores)]).tolist()
    found: list[CloseImage] = []
    for part, places, (start, end) in zip(parts, slots, pairwise(bounds), strict=True):
        own = chosen[(chosen >= start) & (chosen < end)]
        image_ids = part.segment.ids.get_ids(places[own - start])
        found += map(CloseImage, image_ids, joined[own].tolist())
    found.sort(key=lambda one: (-one.cosine, one.image_id))
    return found[:limit]


def _list_slots(segment: AnySegment, kept: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    return np.arange(segment.size) if kept is None else np.flatnonzero(kept)


def _compute_cosines(
    vectors: NDArray[np.int8], places: NDArray[np.intp], probe: NDArray[np.int8]
) -> NDArray[np.float32]:
    if len(places) <= _FEW * len(vectors):
        return compute_cosines(vectors[places], probe[None]).ravel()
    return compute_cosines(vectors, probe[None]).ravel()[places]
