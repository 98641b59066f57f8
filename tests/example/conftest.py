from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "example_project"


def load(name: str) -> ModuleType:
    """Import a module of the example project, whose settings this process does not have."""
    spec = importlib.util.spec_from_file_location(f"example_{Path(name).stem}", PROJECT / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Demo:
    """``make demo`` with this Python and drawn pictures, writing into one folder."""

    def __init__(self, data: Path, pictures: Path) -> None:
        self.data = data
        self.pictures = pictures

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self._open(
            "demo.py",
            *("--python", sys.executable),
            *("--data", str(self.data)),
            *("--pictures", str(self.pictures)),
            *arguments,
        )

    def run(self) -> subprocess.CompletedProcess[str]:
        return _finished(self.start("--no-serve"))

    def manage(self, *arguments: str) -> str:
        done = _finished(self._open("manage.py", *arguments))
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def _open(self, *command: str) -> subprocess.Popen[str]:
        ours = ("DJANGO_", "CELERY_", "TEST_", "COV_", "COVERAGE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell's background job ignores Ctrl-C, and its children would inherit that.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env={**inherited, "PYTHONPATH": str(ROOT), "EXAMPLE_DATA": str(self.data)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[str]:
        """Return the command lines of the processes that this demo has left running."""
        mine = f"EXAMPLE_DATA={self.data}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mine in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_text())
            except OSError:
                continue  # it has ended, or is somebody else's
        return [line for line in found if line]  # an ended one has none


def _finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    with process:
        try:
            output, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            process.kill()  # or leaving the block would wait for it
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drawing in place of each of the demo's photographs."""
    folder = tmp_path_factory.mktemp("pictures")
    photographs = load("example/pictures.py")
    for number, photograph in enumerate([*photographs.PRINTS, *photographs.HOLDINGS]):
        _draw(number).save(folder / f"{photograph.stem}.png")
    return folder


def _draw(number: int) -> Image.Image:
    """Draw smooth blobs and a few hard rectangles, others for each number."""
    random = np.random.default_rng(number)
    small = Image.fromarray(random.integers(40, 200, (5, 7, 3), dtype=np.uint8))
    picture = small.resize((420, 300), Image.Resampling.BICUBIC)
    for _ in range(12):
        x, y = int(random.integers(0, 380)), int(random.integers(0, 270))
        size = (int(random.integers(15, 90)), int(random.integers(15, 70)))
        color = tuple(int(value) for value in random.integers(20, 220, 3))
        picture.paste(color, (x, y, x + size[0], y + size[1]))
    return picture
