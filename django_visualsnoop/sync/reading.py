"""Read the files of images, several at a time if their storage is slow.

Reading a file of a remote storage takes some ten milliseconds of waiting, in which a worker can
describe another picture.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models.fields.files import FieldFile

#: Default of the setting ``VISUALSNOOP_READ_THREADS``.
DEFAULT_THREADS = 8
#: How many bytes of files to keep that were read ahead, about.
MAX_BYTES = 32_000_000
#: A storage is slow if each of its last files took so long, in seconds.
SLOW = 0.003
_LAST = 3

#: Class of a storage → how long its last files took.
_seconds: dict[type, deque[float]] = defaultdict(lambda: deque(maxlen=_LAST))


class ReadAhead:
    """Read files in their order. If their storage is slow, threads read the next ones meanwhile.

    Files of a fast storage are read by the caller's thread, as without this class.

    Args:
        files: the files, in the order in which the caller will read them.
        max_bytes: how many bytes of a file to read.
    """

    def __init__(self, files: Sequence[FieldFile], max_bytes: int) -> None:
        self._files = files
        self._max_bytes = max_bytes
        self._threads: int = getattr(settings, "VISUALSNOOP_READ_THREADS", DEFAULT_THREADS)
        self._executor: ThreadPoolExecutor | None = None
        self._ahead: dict[int, Future[bytes]] = {}
        self._largest = 0

    def read(self, place: int) -> bytes:
        """Return the first bytes of a file.

        Args:
            place: the index of the file.

        Raises:
            Exception: what the storage raises.
        """
        if self._threads > 1 and is_slow(self._files[place]):
            self._start(place)
        started = self._ahead.pop(place, None)
        if started is None:
            content = _read(self._files[place], self._max_bytes)
        else:
            content = started.result()
        self._largest = max(self._largest, len(content))
        return content

    def close(self) -> None:
        """Forget what was read ahead. Do not wait for files that are being read."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._ahead.clear()

    def _start(self, place: int) -> None:
        """Let threads read this file and the next ones, as far as the memory allows."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, "visualsnoop-read")
        for following in range(place, min(place + self._threads, len(self._files))):
            if following in self._ahead:
                continue
            if following > place and (len(self._ahead) + 1) * self._largest > MAX_BYTES:
                return
            # In a copy of the context, in which a storage may look up its tenant.
            self._ahead[following] = self._executor.submit(
                copy_context().run, _read_in_thread, self._files[following], self._max_bytes
            )


def is_slow(file: FieldFile) -> bool:
    """Whether each of the last files of this kind of storage took long to read."""
    seconds = _seconds[file.storage.__class__]
    return len(seconds) == _LAST and min(seconds) >= SLOW


def _read(file: FieldFile, max_bytes: int) -> bytes:
    began = time.perf_counter()
    with file.open("rb") as opened:
        content: bytes = opened.read(max_bytes)
    _seconds[file.storage.__class__].append(time.perf_counter() - began)
    return content


def _read_in_thread(file: FieldFile, max_bytes: int) -> bytes:
    try:
        return _read(file, max_bytes)
    finally:
        connections.close_all()  # a storage may have opened connections
