"""Pictures to learn from."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.training import repositories
from tests import services
from tests.collections.contract import image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


@pytest.fixture
def photos() -> list[list[np.ndarray]]:
    return [[decode(image(number)).pixels] for number in range(1, 21)]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three pictures, one of them twice, and other files."""
    services.require("git")
    made = tmp_path / "maxogden+cats" / "repo"
    made.mkdir(parents=True)
    for number, name in enumerate(("b c.jpg", "a.JPG", "ü.png")):
        (made / name).write_bytes(image(number))
    (made / "same.jpg").write_bytes(image(0))
    (made / "broken.jpg").write_bytes(b"no picture")
    (made / "notes.txt").write_text("no picture")
    person = ["-c", "user.name=N", "-c", "user.email=n@example.org"]
    for command in (["init", "-q"], ["add", "."], [*person, "commit", "-qm", "Pictures"]):
        subprocess.run(["git", "-C", str(made), *command], check=True)
    head = subprocess.run(
        ["git", "-C", str(made), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    monkeypatch.setitem(repositories.COMMITS, "maxogden/cats", head.stdout.strip())
    return tmp_path
