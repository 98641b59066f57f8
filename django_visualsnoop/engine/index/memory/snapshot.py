"""A segment in one file, which processes map into memory and share.

A snapshot is only a cache of its rows. If anything is wrong with it,
``open_snapshot`` raises ``SnapshotError``, and the segment is built from the rows
again. The file holds numbers and text, and no code.

Layout: 20 bytes (magic, version of the format, length and CRC-32 of what
follows), JSON, then the sections, each from a multiple of 64 bytes. The JSON
says where each section starts, how many rows it has, and its CRC-32.
"""

from __future__ import annotations

import json
import mmap
import os
import stat
import struct
import sys
import zlib
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from django_visualsnoop.engine.index.memory.layouts import DESCRIPTORS

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.layouts import Layout

_MAGIC = b"VSNOOP\r\n"
_FORMAT = 2
_START = struct.Struct("<8sIII")
_ALIGNED = 64
#: Postings of up to this many bytes are checked at every opening of a snapshot: more would take
#: longer than a first search may.
CHECKED = 256 * 2**20


class SnapshotError(ValueError):
    """The snapshot does not exist or cannot be used."""


class Facts(NamedTuple):
    """The rows that a snapshot holds."""

    collection_id: str
    #: All rows numbered up to here, …
    seq: int
    #: … when tombstones up to here might be gone.
    horizon: int
    #: Further values that the writer wants to check; values of JSON.
    witness: list[list[str | int]]


def write_snapshot(
    path: Path, parts: Sequence[Any], facts: Facts, layout: Layout = DESCRIPTORS
) -> bool:
    """Write all kept images to a file, replacing it.

    Args:
        path: the file.
        parts: segments, each with the flags of its images to keep.
        facts: the rows that these are of.
        layout: how the segments are stored.

    Returns whether it wrote: not if another process is writing the same file.

    Raises:
        OSError: the file cannot be written.
    """
    with _lock_exclusively(path) as alone:
        if not alone:
            return False
        for left_over in path.parent.glob(f"{path.name}.*.tmp"):
            left_over.unlink(missing_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "r+b", buffering=0) as file:
                target = _File(file, facts, layout)
                layout.merge(parts, target)
                target.finish()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return True


@contextmanager
def _lock_exclusively(path: Path) -> Iterator[bool]:
    """Lock a file for writing, if no other process does."""
    with os.fdopen(os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        if sys.platform == "win32":
            yield True  # several processes may write, and the last one wins
            return
        alone = False
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        try:
            yield alone
        finally:
            if alone:  # a child process forked meanwhile would go on holding it
                fcntl.flock(file, fcntl.LOCK_UN)


def open_snapshot(
    path: Path, layout: Layout = DESCRIPTORS, *, thoroughly: bool = False
) -> tuple[Any, Facts]:
    """Return the content of a file, mapped.

    This compares the header, the ids, the vectors and the tables of the lists with
    their checksums. It checks the postings, too, if they have at most ``CHECKED`` bytes;
    in larger ones, damage would at worst vote for the wrong images.

    Args:
        path: the file.
        layout: see ``write_snapshot``.
        thoroughly: check all postings, however many.

    Raises:
        SnapshotError: the file does not exist, is damaged, was written by another version, or
            does not belong to this user.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            _check_owner(file)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise SnapshotError(f"{path} cannot be read: {error}") from error
    header = _read_header(mapped, layout)
    try:
        sections = {name: _Section(*values) for name, values in header["sections"].items()}
        arrays = _read_arrays(mapped, sections, layout)
        _check(arrays, sections, layout, thoroughly=thoroughly)
        facts = Facts(**{name: header[name] for name in Facts._fields})
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SnapshotError(f"{path} is damaged: {error}") from error
    return layout.build(arrays), facts


def _read_header(mapped: mmap.mmap, layout: Layout) -> dict[str, Any]:
    if len(mapped) < _START.size:
        raise SnapshotError("The snapshot is cut off.")
    magic, version, length, checksum = _START.unpack_from(mapped)
    if magic != _MAGIC or version != _FORMAT:
        raise SnapshotError("The snapshot has another format.")
    text = mapped[_START.size : _START.size + length]
    if len(text) != length or zlib.crc32(text) != checksum:
        raise SnapshotError("The header of the snapshot is damaged.")
    header: dict[str, Any] = json.loads(text)
    if header["descriptor"] != layout.described_by or header["byteorder"] != sys.byteorder:
        raise SnapshotError(
            "The snapshot was written for other descriptors or by another kind of machine."
        )
    return header


def _read_arrays(
    mapped: mmap.mmap, sections: dict[str, _Section], layout: Layout
) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, (kind, width) in layout.sections.items():
        offset, rows = int(sections[name].offset), int(sections[name].rows)
        # Raises ValueError if the file is too short.
        arrays[name] = (
            np.frombuffer(mapped, kind, rows * width, offset) if rows else np.empty(0, kind)
        )
    for name, expected in layout.count_values(arrays):
        if len(arrays[name]) != expected:
            raise SnapshotError(
                f"The section {name} must have {expected} values, not {len(arrays[name])}."
            )
    return arrays


def _check(
    arrays: dict[str, NDArray[Any]],
    sections: dict[str, _Section],
    layout: Layout,
    *,
    thoroughly: bool,
) -> None:
    postings = sum(arrays[name].nbytes for name in layout.votes)
    for name, values in arrays.items():
        if name in layout.votes and postings > CHECKED and not thoroughly:
            continue
        if f"{zlib.crc32(values):08x}" != sections[name].checksum:
            raise SnapshotError(f"The section {name} is damaged.")


def _check_owner(file: IO[bytes]) -> None:
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        raise SnapshotError("It is not a regular file.")
    if hasattr(os, "getuid") and (
        about.st_uid != os.getuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ):
        raise SnapshotError("It belongs to another user, or other users can write to it.")


class _Section(NamedTuple):
    """Text of a fixed length, so that the header's length does not depend on the values."""

    offset: str
    rows: str
    checksum: str


class _File:
    """The target of ``Layout.merge`` for a segment's arrays: the sections of a file."""

    def __init__(self, file: IO[bytes], facts: Facts, layout: Layout) -> None:
        self._file = file
        self._kinds = layout.sections
        self._header = {
            "descriptor": layout.described_by,
            "byteorder": sys.byteorder,
            **facts._asdict(),
        }

    def begin(self, rows: Mapping[str, int]) -> None:
        # The placeholders have the final length, whatever the numbers.
        self._sections = {
            name: _Section(f"{0:20}", f"{rows[name]:20}", f"{0:08x}") for name in self._kinds
        }
        offset = _START.size + len(self._encode_header())
        self._places: dict[str, int] = {}
        for name, (kind, width) in self._kinds.items():
            offset += -offset % _ALIGNED
            self._sections[name] = self._sections[name]._replace(offset=f"{offset:20}")
            self._places[name] = offset
            offset += rows[name] * width * np.dtype(kind).itemsize
        self._checksums = dict.fromkeys(self._kinds, 0)
        self._file.truncate(offset)

    def write(self, section: str, values: NDArray[np.generic]) -> None:
        content = memoryview(np.ascontiguousarray(values)).cast("B") if values.size else b""
        self._checksums[section] = zlib.crc32(content, self._checksums[section])
        self._file.seek(self._places[section])
        self._places[section] += len(content)
        self._write(content)

    def finish(self) -> None:
        """Write the header: until then, the file is invalid."""
        for name, checksum in self._checksums.items():
            self._sections[name] = self._sections[name]._replace(checksum=f"{checksum:08x}")
        text = self._encode_header()
        self._file.seek(0)
        self._write(_START.pack(_MAGIC, _FORMAT, len(text), zlib.crc32(text)) + text)

    def _write(self, content: bytes | memoryview) -> None:
        while len(content):
            content = content[self._file.write(content) :]

    def _encode_header(self) -> bytes:
        return json.dumps({**self._header, "sections": self._sections}).encode("ascii")
