"""Processes that end, with all that they started, when the demo ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parent
#: Seconds that a process has to end by itself.
PATIENCE = 15.0


def run(*command: str, env: Mapping[str, str] | None = None) -> None:
    """Run a process to its end.

    Raises:
        CalledProcessError: it did not exit with 0.
    """
    with _child(command, env) as process:
        status = process.wait()
    if status:
        raise subprocess.CalledProcessError(status, command)


@contextmanager
def running(*command: str, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, its output in a file, until the block is left."""
    with log.open("wb") as output, _child(command, env, output.fileno()) as process:
        yield process


@contextmanager
def _child(
    command: Sequence[str], env: Mapping[str, str] | None, output: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = None
    try:
        # Interrupted while it starts, it would run on, and nobody would know of it.
        with _held_back() as held_back:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                # A session of its own, so that Ctrl-C reaches only the demo, which ends all in
                # order.
                start_new_session=True,
            )
        if held_back:
            raise KeyboardInterrupt
        yield process
    finally:
        if process is not None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with _held_back():  # ending is under way
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # What it started is in its group, and none of it may stay.
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            time.sleep(0.05)


@contextmanager
def _held_back() -> Iterator[list[int]]:
    """Collect signals that ask to end in a list. (A child would inherit that they are ignored.)"""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    held_back: list[int] = []
    before = [signal.signal(each, lambda number, _: held_back.append(number)) for each in signals]
    try:
        yield held_back
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
