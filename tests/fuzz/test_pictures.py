"""Damaged files, in a process of its own: a crash, a hang or a flood of memory ends only that."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MUTATIONS = 500
#: Generous: what is looked for takes minutes, or gigabytes.
LIMITS = ["--seconds", "60", "--gigabytes", "4"]


def tried(count: int, *folder: str) -> list[dict[str, object]]:
    """Return what came of the folder's files, and of mutations up to ``count`` in all."""
    options = [*folder, *LIMITS, "--seed", "20", "--child", "0", str(count)]
    process = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.pictures", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert lines[::2] == list(range(count))
    return lines[1::2]


def check(results: list[dict[str, object]]) -> Counter[str]:
    """Return the outcomes, once nothing else has come of any file."""
    for number, result in enumerate(results):
        assert result["warned"] == [], (number, result)
        assert result["kept"] is True, (number, result)
    outcomes = Counter(str(result["outcome"]) for result in results)
    reasons = {f"refused: {reason}" for reason in ("empty", "undecodable", "unsupported")}
    assert set(outcomes) <= {"decoded", "refused: too_large", *reasons}, outcomes
    return outcomes


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc")


def test_mutations() -> None:
    results = tried(MUTATIONS)
    outcomes = check(results)
    assert outcomes["decoded"] > 50
    assert outcomes["refused: undecodable"] > 200
    # Four bytes a pixel and more, of at most 75 million pixels.
    assert max(int(str(result["memory"])) for result in results) < 2**30


def test_files_of_the_folder(shared: Path) -> None:
    folder = shared / "hostile_images"
    results = tried(len(list(folder.iterdir())), str(folder))
    outcomes = check(results)
    assert len(results) > 30
    assert outcomes["refused: undecodable"] > 5
    # The bombs among them are of small files.
    assert max(int(str(result["memory"])) for result in results) < 2**28


def test_the_child_notices_what_it_looks_for() -> None:
    """Break the decoder, and see the harness say so."""
    faults = {
        "raise KeyError(1)": ("outcome", "RAISED KeyError"),
        "warnings.warn('odd')": ("warned", ["odd"]),
        "Image.MAX_IMAGE_PIXELS = 5": ("kept", False),
        "warnings.simplefilter('ignore')": ("kept", False),
    }
    for fault, (key, expected) in faults.items():
        program = (
            "import json, warnings\nfrom PIL import Image\nfrom tests.fuzz import pictures\n"
            f"def broken(data):\n    {fault}\n"
            "pictures.decode = broken\n"
            "print(json.dumps(pictures.tried(b'')))"
        )
        said = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True
        )
        assert json.loads(said.stdout)[key] == expected, fault
