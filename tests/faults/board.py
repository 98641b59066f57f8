"""A few numbers that all processes of the rig see: one writer for each, and no locks."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER = struct.Struct("d")
_PLACES = 64


class Board:
    """How far each web process is, and how far it may go.

    Args:
        path: the file behind the numbers, made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_PLACES * _NUMBER.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    @property
    def allowed(self) -> float:
        """How many operations each web process may have begun by now."""
        return self._get(0)

    @allowed.setter
    def allowed(self, count: float) -> None:
        self._set(0, count)

    def done(self, web: int) -> int:
        return int(self._get(1 + web))

    def set_done(self, web: int, count: int) -> None:
        self._set(1 + web, count)

    def _get(self, place: int) -> float:
        found: float = _NUMBER.unpack_from(self._memory, place * _NUMBER.size)[0]
        return found

    def _set(self, place: int, number: float) -> None:
        _NUMBER.pack_into(self._memory, place * _NUMBER.size, number)
