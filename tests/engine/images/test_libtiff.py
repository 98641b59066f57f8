from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import features

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import io, os, sys, threading
from PIL import Image, TiffImagePlugin
from django_visualsnoop.engine.exceptions import UndecodableImage
from django_visualsnoop.engine.images import libtiff
from django_visualsnoop.engine.images.decode import decode
from tests.engine.images.corners import corners
from tests.engine.pictures import saved

content = bytearray(saved(corners(), "TIFF", compression="tiff_lzw"))
content[8:200] = bytes(192)
broken = bytes(content)


def refuse():
    try:
        decode(broken)
    except UndecodableImage:
        return
    raise AssertionError


def let_pillow_read():
    try:
        Image.open(io.BytesIO(broken)).load()
    except OSError:
        return
    raise AssertionError


def say(words):
    print(words, file=sys.stderr, flush=True)

"""


def said(lines: str) -> list[str]:
    """Run a program, and return what it wrote to the standard error stream."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + lines],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


pytestmark = pytest.mark.skipif(
    sys.platform not in ("linux", "darwin") or not features.check("libtiff"),
    reason="there libtiff is out of reach",
)


def test_a_broken_tiff_prints_nothing() -> None:
    assert said("refuse()") == []


def test_what_libtiff_says_to_others_stays() -> None:
    before = said("let_pillow_read()")
    assert before
    assert said("refuse()\nlet_pillow_read()") == before


def test_many_threads() -> None:
    lines = (
        "threads = [threading.Thread(target=lambda: [refuse() for _ in range(50)])"
        " for _ in range(8)]\n"
        "for thread in threads: thread.start()\n"
        "for number in range(20): say(number)\n"
        "for thread in threads: thread.join()\n"
        "assert libtiff._silence._count == 0\n"
    )
    assert said(lines) == [str(number) for number in range(20)]
    assert said(lines + "let_pillow_read()")[20:] == said("let_pillow_read()")


def test_a_process_that_is_forked_meanwhile() -> None:
    lines = (
        "inside, over = threading.Event(), threading.Event()\n"
        "def wait():\n"
        "    with libtiff.silence_libtiff(), libtiff._silence._lock:\n"
        "        inside.set(); over.wait()\n"
        "thread = threading.Thread(target=wait)\n"
        "thread.start(); inside.wait()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    refuse(); say('refused'); let_pillow_read(); os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "over.set(); thread.join()\n"
    )
    found = [
        line for line in said(lines) if "DeprecationWarning" not in line and "fork()" not in line
    ]
    assert found == ["refused", *said("let_pillow_read()")]


def test_a_handler_that_is_set_meanwhile() -> None:
    lines = (
        "silence = libtiff._silence\n"
        "with silence.keep():\n"
        "    silence._set_handler(None)\n"
        "let_pillow_read()\n"
        "assert silence._set_handler(None) is None\n"
    )
    assert said(lines) == []
