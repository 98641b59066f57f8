"""Filter expressions: the entries of a collection, and of some of its images.

Images are chosen by a number computed from the id. So an expression holds no text of the user's,
and one id takes 20 bytes at most.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING

from django_visualsnoop.common.batches import batched

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: Number of ids in one expression.
TOGETHER = 10_000


def build_image_key(image_id: str) -> int:
    """Return a number of 63 bits that stands for an id in filters."""
    return int.from_bytes(blake2b(image_id.encode(), digest_size=8).digest()) >> 1


def build_primary_key(collection_id: str, row_id: int) -> str:
    """Return the primary key of an entry. Within a collection, they are in the order of rows."""
    return f"{collection_id}:{row_id:019}"


def select_collection(collection_id: str) -> str:
    """Return the expression for all entries of a collection."""
    return f"collection_id == {json.dumps(collection_id)}"


def select_rows(collection_id: str, row_ids: Iterable[int]) -> str:
    """Return the expression for entries by their rows."""
    keys = [build_primary_key(collection_id, row_id) for row_id in row_ids]
    return f"pk in {json.dumps(keys)}"


def select_images(
    collection_id: str, allowed: Collection[str] | None, without: Collection[str]
) -> list[str]:
    """Return expressions that together select the images to search among.

    Args:
        collection_id: id of the collection.
        allowed: these images only, if given.
        without: leave out these.
    """
    start = select_collection(collection_id)
    if allowed is None:
        hidden = sorted(map(build_image_key, without))
        return [f"{start} and image_key not in {hidden}" if hidden else start]
    keys = sorted(map(build_image_key, set(allowed).difference(without)))
    return [f"{start} and image_key in {some}" for some in batched(keys, TOGETHER)]
