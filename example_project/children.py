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
    process = _start(command, env)
    try:
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    if status:
        raise subprocess.CalledProcessError(status, command)


@contextmanager
def running(*command: str, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, its output in a file, until the block is left."""
    with log.open("wb") as output:
        process = _start(command, env, output.fileno())
    try:
        yield process
    finally:
        _end(process)


def _start(
    command: Sequence[str], env: Mapping[str, str] | None, output: int | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        # A session of its own, so that Ctrl-C reaches only the demo, which ends all in order.
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    with _undisturbed():
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
def _undisturbed() -> Iterator[None]:
    """Hold back further signals to end, since ending is under way."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
