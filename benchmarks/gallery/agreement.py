"""Compare the list of all pairs with what searches by the id of each image find."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.gallery.collection import get_collection
from benchmarks.gallery.labels import find_groups
from benchmarks.gallery.pictures import SEED
from django_visualsnoop.common.search_options import COPY, SearchOptions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django_visualsnoop.collections.base import ImagePair

#: Similarities from which it is counted.
THRESHOLDS = (0.5, 0.9)
#: Most pictures that a search returns.
_LIMIT = 1000


class Agreement(NamedTuple):
    #: Pairs that searches find, and those of them that are in the list.
    searched: int
    listed: int
    #: Those whose images are in one group of duplicates: not all pairs of a large group are listed.
    grouped: int


def compare_with_searches(
    pairs: Sequence[ImagePair], image_ids: Collection[str], count: int
) -> tuple[int, dict[float, Agreement]]:
    """Return how many images were searched for, and the agreement at each threshold.

    Args:
        pairs: all pairs of copies.
        image_ids: all images.
        count: search by the ids of this many images, drawn by ``SEED``.
    """
    drawn = random.Random(SEED).sample(sorted(image_ids), min(count, len(image_ids)))
    listed = {frozenset((pair.first_id, pair.second_id)) for pair in pairs}
    options = SearchOptions(limit=_LIMIT, relations=[COPY])
    found: dict[frozenset[str], float] = {}
    for image_id in drawn:
        for match in get_collection().search_images_by_id(image_id, options).matches:
            pair = frozenset((image_id, match.image_id))
            found[pair] = max(match.similarity, found.get(pair, 0.0))
    groups = find_groups(pairs)
    together = {
        pair for pair in found if len({groups.get(image_id, image_id) for image_id in pair}) == 1
    }
    agreements = {}
    for threshold in THRESHOLDS:
        some = [pair for pair, similarity in found.items() if similarity >= threshold]
        agreements[threshold] = Agreement(
            len(some),
            sum(pair in listed for pair in some),
            sum(pair in together for pair in some),
        )
    return len(drawn), agreements


def print_agreement(pairs: Sequence[ImagePair], image_ids: Collection[str], count: int) -> None:
    searches, agreements = compare_with_searches(pairs, image_ids, count)
    print(f"\ncopies that {searches:,} searches by id find, and those in the list of all pairs")
    for threshold, one in agreements.items():
        for count, what in ((one.listed, "listed"), (one.grouped, "in one group")):
            share = f"{count / max(1, one.searched):.4f}"
            print(f"  {threshold:<6}{count:,} of {one.searched:,} {share} {what}")
