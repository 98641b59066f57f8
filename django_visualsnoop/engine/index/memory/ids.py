"""Store image ids without a Python object for each: their text in one array, found by a hash.

This takes 20 bytes per image in addition to the text.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def hash_image_id(image_id: str) -> int:
    """Return 64 bits, the same in every process."""
    digest = blake2b(image_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Ids(NamedTuple):
    """The ids of slots 0 to n - 1."""

    #: UTF-8, one after the other.
    text: NDArray[np.uint8]
    #: n; the end of each id's text.
    ends: NDArray[np.int64]
    #: n; sorted.
    keys: NDArray[np.uint64]
    #: n; the slot of each key.
    order: NDArray[np.uint32]

    def get_id(self, slot: int) -> str:
        start = int(self.ends[slot - 1]) if slot else 0
        return self.text[start : self.ends[slot]].tobytes().decode("utf-8", "surrogatepass")

    def get_ids(self, slots: NDArray[np.intp]) -> list[str]:
        """Return the ids of these slots."""
        ends = self.ends[slots]
        starts = np.where(slots > 0, self.ends[np.maximum(slots, 1) - 1], 0)
        return [
            self.text[start:end].tobytes().decode("utf-8", "surrogatepass")
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def find_slots(self, wanted: Wanted) -> NDArray[np.intp]:
        """Return the slots of the ids that exist, in no particular order."""
        first = np.searchsorted(self.keys, wanted.keys)
        end = np.searchsorted(self.keys, wanted.keys, "right")
        found = [
            slot
            for number in np.flatnonzero(end > first).tolist()
            for slot in self.order[first[number] : end[number]].tolist()
            if self.get_id(slot) == wanted.image_ids[number]
        ]
        return np.array(found, dtype=np.intp)


class Wanted(NamedTuple):
    """Ids to look up."""

    image_ids: list[str]
    #: Key of each id; sorted, which makes lookups faster.
    keys: NDArray[np.uint64]


def build_wanted(image_ids: Iterable[str]) -> Wanted:
    """Return ids to look up, in one or many ``Ids``."""
    by_key = sorted((hash_image_id(image_id), image_id) for image_id in image_ids)
    keys = np.fromiter((key for key, _ in by_key), np.uint64, len(by_key))
    return Wanted([image_id for _, image_id in by_key], keys)


def build_ids(image_ids: Sequence[str]) -> Ids:
    """Return ``Ids`` of different ids, in this order."""
    texts = [image_id.encode("utf-8", "surrogatepass") for image_id in image_ids]
    keys = np.fromiter(map(hash_image_id, image_ids), np.uint64, len(texts))
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), dtype=np.int64)
    return _sort_ids(np.frombuffer(b"".join(texts), dtype=np.uint8), ends, keys)


def join_ids(parts: Iterable[tuple[Ids, NDArray[np.intp]]]) -> Ids:
    """Return the ids of the kept slots of each part, one part after the other."""
    texts, lengths, keys = [], [], []
    for ids, kept in parts:
        starts = np.concatenate([np.zeros(1, dtype=np.int64), ids.ends[:-1]])[: len(ids.ends)]
        own = np.empty(len(ids.keys), dtype=np.uint64)
        own[ids.order] = ids.keys
        keys.append(own[kept])
        sizes = ids.ends[kept] - starts[kept]
        lengths.append(sizes)
        if len(kept) == len(ids.ends):
            texts.append(ids.text)
        else:
            texts.append(ids.text[expand_runs(starts[kept], sizes)])
    none = [np.empty(0, dtype=np.uint8)]
    ends = np.cumsum(np.concatenate([*lengths, np.empty(0, dtype=np.int64)]), dtype=np.int64)
    all_keys = np.concatenate([*keys, np.empty(0, dtype=np.uint64)])
    return _sort_ids(np.concatenate([*texts, *none]), ends, all_keys)


def expand_runs(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``starts[k]``, ``starts[k]`` + 1, … (``counts[k]`` of them) for all k in turn."""
    ends = np.cumsum(counts)
    places = np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    places += np.repeat(starts - ends + counts, counts)
    return places


def _sort_ids(text: NDArray[np.uint8], ends: NDArray[np.int64], keys: NDArray[np.uint64]) -> Ids:
    order = np.argsort(keys, kind="stable")
    return Ids(text, ends, keys[order], order.astype(np.uint32))
