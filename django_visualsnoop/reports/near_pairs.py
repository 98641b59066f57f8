"""Find the pairs of a model's pictures whose similarity is closest to a threshold."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django_visualsnoop.collections import collections
from django_visualsnoop.indexed.image_ids import ImageIds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField

#: Pairs that are less similar are not looked at: there are too many, and hardly any are copies.
LEAST = 0.01


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two rows of one model, by their keys."""

    first: Any
    second: Any
    #: The names of the fields of the two pictures.
    fields: tuple[str, str]
    #: 0 to 1.
    similarity: float


def find_near_pairs(
    fields: Iterable[IndexedField],
    *,
    using: str,
    threshold: float,
    count: int,
    progress: Callable[[float], object] | None = None,
) -> list[NearPair]:
    """Return the pairs closest to a threshold, the most similar first.

    This keeps no more than the pairs that it returns in memory.

    Args:
        fields: fields of one model that are indexed in one collection.
        using: alias of the database of the rows.
        threshold: 0 to 1.
        count: how many pairs to return on each side of the threshold.
        progress: called from time to time with the completed part of the work, 0 to 1.
    """
    fields = tuple(fields)
    ids = ImageIds((field, using) for field in fields)
    collection = collections[fields[0].collection]
    found = collection.iter_pairs(
        min_similarity=LEAST,
        progress=progress,
        among=lambda image_id: ids.parse(image_id) is not None,
    )
    below: list[tuple[float, int, NearPair]] = []
    above: list[tuple[float, int, NearPair]] = []
    for number, pair in enumerate(found):
        first, second = ids.parse(pair.first_id), ids.parse(pair.second_id)
        if first is None or second is None or first.key == second.key or pair.similarity is None:
            continue
        side = below if pair.similarity < threshold else above
        names = (first.field.name, second.field.name)
        near = NearPair(first.key, second.key, names, pair.similarity)
        # The number, because pairs themselves cannot be compared.
        heapq.heappush(side, (-abs(pair.similarity - threshold), number, near))
        if len(side) > count:
            heapq.heappop(side)
    pairs = [near for _, _, near in (*below, *above)]
    return sorted(pairs, key=lambda near: -near.similarity)


def fetch_rows(model: type[models.Model], pairs: Iterable[NearPair], using: str) -> dict[Any, Any]:
    """Return the rows of pairs that still exist, by key."""
    keys = {key for pair in pairs for key in (pair.first, pair.second)}
    return model._base_manager.using(using).in_bulk(keys)
