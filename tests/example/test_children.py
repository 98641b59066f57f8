"""Whatever a demo starts ends with it, whenever it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.example.conftest import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.example

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.mark.parametrize("way", ["run", "running"])
def test_interrupted_while_it_starts_a_process_it_leaves_none(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = load("children.py")
    ways = {
        "run": lambda: children.run(*SLEEP),
        "running": lambda: children.running(
            *SLEEP, env=os.environ, log=tmp_path / "log"
        ).__enter__(),
    }
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        """One that has begun to run when Ctrl-C arrives, and has not been handed over."""

        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(children.subprocess, "Popen", Interrupted)
    # What runs tests in the background may ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            ways[way]()
    finally:
        signal.signal(signal.SIGINT, before)
    (process,) = started
    assert process.returncode == -signal.SIGTERM
