"""That one process at a time writes a file."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def lock_exclusively(path: Path) -> Iterator[bool]:
    """Hold the right to write a file, if no other process does."""
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
