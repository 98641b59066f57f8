"""Decode the files of found pairs again, and look closer at each pair before it is called a copy.

What is stored of an image cannot show a small difference; see ``matching.closer_look``. A closer
look only ever demotes a pair. The first verdict stays if a file cannot be read or decoded, is not
the one that the collection has described, or if the pictures cannot be laid over each other.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django_visualsnoop.common.search_options import COPY
from django_visualsnoop.engine.matching.closer_look import VERSION, look_closer
from django_visualsnoop.engine.picture_files import PictureFiles
from django_visualsnoop.engine.storage.publish import in_transaction
from django_visualsnoop.engine.storage.verdicts import (
    NewVerdict,
    Verdict,
    hash_files,
    read_files,
    read_verdicts,
    write_verdicts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from django_visualsnoop.common.open_pictures import FindPictures
    from django_visualsnoop.engine.images.decode import Picture
    from django_visualsnoop.engine.storage.store import Store
    from django_visualsnoop.engine.storage.verdicts import StoredFile

    Pair = tuple[str, str]

#: Verdicts are stored after this many looks, or seconds, whichever comes first.
_STORED_TOGETHER, _STORED_SECONDS = 16, 2.0
#: Verdicts kept in memory: one file may be under many ids.
_KNOWN = 100_000
#: The verdict on pictures that cannot be laid over each other: the first one stays.
_UNKNOWN = Verdict(COPY, 0.0, 0.0)


class CloserLooks:
    """Looks closer at pairs of one collection.

    Call ``close`` at the end, whatever happened: it stores the last verdicts.

    Args:
        store: the store of the collection.
        find_pictures: returns what opens the files of images.
        decode: decodes a file, or raises ``DecodeError``.
        max_bytes: the size limit of a file.
        most: look at this many pairs at most; no limit if ``None``.
        seconds: begin no look after this many seconds of looking; no limit if ``None``.
    """

    def __init__(
        self,
        store: Store,
        find_pictures: FindPictures,
        decode: Callable[[bytes], Picture],
        max_bytes: int,
        *,
        most: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self._store = store
        self._pictures = PictureFiles(find_pictures, decode, max_bytes)
        self._most = most
        self._seconds = seconds
        #: Number of pairs looked at, and the time that it took.
        self.looks = 0
        self.spent = 0.0
        #: Whether the limits were enough.
        self.complete = True
        self._expected: Collection[Pair] = ()
        self._files: Mapping[str, StoredFile] = {}
        self._loaded = False
        self._known: dict[str, Verdict | None] = {}
        self._new: list[NewVerdict] = []
        self._stored_at = time.monotonic()

    def expect(self, pairs: Collection[Pair]) -> None:
        """Note which pairs may be asked for next, to read what they need together."""
        self._expected = pairs
        self._loaded = False

    def confirm(self, pair: Pair) -> bool:
        """Return whether a pair that looks like copies still does from closer.

        This returns false for a pair that the limits leave no time for.
        """
        if not self._loaded:
            self._load()
        first, second = (self._files.get(image_id) for image_id in pair)
        if first is None or second is None or first.digest == second.digest:
            return True
        key = hash_files(first.digest, second.digest)
        if key not in self._known:
            if not self._may_look():
                self.complete = False
                return False
            began = time.monotonic()
            verdict = self._look(pair, first, second)
            self.spent += time.monotonic() - began
            self._known[key] = verdict
            if verdict is not None:
                self._new.append(NewVerdict(first, second, verdict))
            self._store_now_and_then()
        known = self._known[key]
        return known is None or known.relation == COPY

    def close(self) -> None:
        """Store what is not stored yet."""
        new, self._new = self._new, []
        write_verdicts(self._store.database, new, VERSION)

    def _may_look(self) -> bool:
        if self._most is not None and self.looks >= self._most:
            return False
        return self._seconds is None or self.spent < self._seconds

    def _load(self) -> None:
        """Read files and known verdicts of the expected pairs."""
        self._loaded = True
        database = self._store.database
        ids = sorted({image_id for pair in self._expected for image_id in pair})
        self._pictures.expect(ids)
        self._files = read_files(database, self._store.name, ids)
        if len(self._known) > _KNOWN:
            self._known.clear()
        wanted = set()
        for one, other in self._expected:
            if one in self._files and other in self._files:
                wanted.add(hash_files(self._files[one].digest, self._files[other].digest))
        wanted -= self._known.keys()
        if wanted:
            collection_id = next(iter(self._files.values())).collection_id
            self._known |= read_verdicts(database, collection_id, sorted(wanted), VERSION)

    def _look(self, pair: Pair, first: StoredFile, second: StoredFile) -> Verdict | None:
        """Return what a closer look finds; ``None`` if a file cannot be read now."""
        self.looks += 1
        one, other = (
            self._pictures.read(image_id, file.digest)
            for image_id, file in zip(pair, (first, second), strict=True)
        )
        if one is None or other is None:
            return None
        found = look_closer(one.picture.pixels, other.picture.pixels, one.features, other.features)
        return _UNKNOWN if found is None else Verdict(*found)

    def _store_now_and_then(self) -> None:
        if in_transaction(self._store.database):
            return  # only at the end: on SQLite, nobody else could write until it ends
        old = time.monotonic() - self._stored_at >= _STORED_SECONDS
        if len(self._new) >= _STORED_TOGETHER or (self._new and old):
            self.close()
            self._stored_at = time.monotonic()
