"""Progress: a bar on a terminal, or a line every few seconds in a log."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from django_visualsnoop.common.durations import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.core.management.base import OutputWrapper

#: Steps of a bar that shows a share.
_STEPS = 1000
#: Seconds between two lines in a log.
INTERVAL = 10.0


class Progress(Protocol):
    def update(self, n: int, /) -> object:
        """Count ``n`` more."""


class Lines:
    """Write a line with rate and remaining time, at most every ``INTERVAL`` seconds."""

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str,
        write: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._write, self._clock = write, clock
        self._started = self._last = clock()
        self._done = 0

    def update(self, n: int) -> None:
        self._done += n
        now = self._clock()
        if now - self._last < INTERVAL:
            return
        self._last = now
        rate = self._done / (now - self._started)
        parts = [f"{self._label}: {self._done:,}"]
        if self._total is not None:
            parts.append(f" of {self._total:,}")
        parts.append(f" {self._unit}, {rate:,.1f}/s")
        if self._total is not None and rate:
            left = max(0, self._total - self._done) / rate
            parts.append(f", {duration(left)} left")
        self._write("".join(parts))


class _Silent:
    def update(self, n: int) -> None:
        pass


@contextmanager
def progress(
    label: str, total: int | None, unit: str, *, out: OutputWrapper, verbosity: int
) -> Iterator[Progress]:
    """Show progress while the block runs.

    Args:
        label: what is being processed.
        total: the total number, if known.
        unit: the unit of the count, in the plural.
        out: receives the lines; the bar goes to standard error, if that is a terminal too.
        verbosity: 0 shows nothing.
    """
    if verbosity < 1:
        yield _Silent()
        return
    if out.isatty() and sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass  # the extra "progress" is not installed
        else:
            with tqdm(desc=label, total=total, unit=f" {unit}", dynamic_ncols=True) as bar:
                yield bar
            return
    yield Lines(label, total, unit, out.write)


@contextmanager
def share_progress(
    label: str, *, out: OutputWrapper, verbosity: int
) -> Iterator[Callable[[float], None]]:
    """Like ``progress()``, for work that tells which share of it is done, 0 to 1.

    Args:
        label, out, verbosity: see ``progress()``.
    """
    with progress(label, _STEPS, "‰", out=out, verbosity=verbosity) as shown:
        done = 0

        def show(share: float) -> None:
            nonlocal done
            shown.update(int(share * _STEPS) - done)
            done = int(share * _STEPS)

        yield show
