"""Stop a command cleanly on a signal."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

#: Added to a signal's number, this is the exit status that a shell reports for the signal.
SIGNAL_BASE = 128


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM from a process manager."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.returncode = SIGNAL_BASE + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise ``Interrupted`` on SIGINT and SIGTERM in this block, in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _raise) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _: FrameType | None) -> None:
    raise Interrupted(number)


def program() -> str:
    """Return the start of this command line, up to the name of the command."""
    name = Path(sys.argv[0]).name
    if name == "__main__.py":
        return "python -m django"
    return f"python {sys.argv[0]}" if name.endswith(".py") else "django-admin"
