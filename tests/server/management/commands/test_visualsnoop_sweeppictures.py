"""The sweep of retained pictures."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from django_visualsnoop.server.models import Retention
from tests.collections.contract import image
from tests.server.hosting import Tenant, call
from tests.server.retained import files, rows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


def test_the_sweep_finds_what_a_crash_left(
    ann: Tenant, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("visualsnoop_sweeppictures")  # there is no folder yet
    ann.limit(retention=Retention.THUMBNAILS)
    call(ann, "POST", "/image/a", image(1))
    (name,) = rows()
    old, young = (folder / name).with_name("f" * 32), (folder / name).with_name("e" * 32)
    for path in (folder / name, old, young):
        path.touch()
    long_ago = time.time() - 2 * 24 * 3600
    for path in (folder / name, old):
        os.utime(path, (long_ago, long_ago))
    capsys.readouterr()
    call_command("visualsnoop_sweeppictures", dry_run=True)
    assert capsys.readouterr().out == "Files to delete: 1.\n"
    assert old.exists()
    call_command("visualsnoop_sweeppictures")
    assert capsys.readouterr().out == (
        "Files deleted: 1. Images that can no longer be restored: 0.\n"
    )
    assert files(folder) == {name, str(young.relative_to(folder))}
