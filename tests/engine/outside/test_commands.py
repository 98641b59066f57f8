"""The commands that move collections to another index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from django_visualsnoop.collections.local import LocalCollection
from tests.collections.contract import image

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from tests.engine.outside.in_process import InProcessIndex

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(index: InProcessIndex, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_visualsnoop.engine.outside.moving.GRACE_SECONDS", 0.0)
    settings.VISUALSNOOP = {"shop": {"OPTIONS": {"index": index.name}}}
    LocalCollection("shop", {}).add_image(image(1), "a")


def run(capsys: pytest.CaptureFixture[str], **options: object) -> str:
    call_command("visualsnoop_move_index", "shop", **options)
    return capsys.readouterr().out


def test_moving(index: InProcessIndex, capsys: pytest.CaptureFixture[str]) -> None:
    assert "To fill it, type: " in run(capsys, status=True)
    assert "holds all 1 images of the collection 'shop'; 0 were mended. Searches use it." in run(
        capsys
    )
    assert "milvus: 1 images, complete" in run(capsys, status=True)
    assert "there is nothing to fill" in run(capsys, to="memory")


def test_the_old_index_is_dropped(
    index: InProcessIndex, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    run(capsys)
    with pytest.raises(CommandError, match=r'First set VISUALSNOOP\["shop"\]'):
        run(capsys, drop="milvus")
    settings.VISUALSNOOP = {"shop": {"OPTIONS": {"milvus": {}}}}
    assert "Searches use memory, until VISUALSNOOP" in run(capsys, to="milvus")
    assert "no longer holds the collection 'shop'" in run(capsys, drop="milvus")
    assert not index.entries


def test_what_goes_wrong_is_told(
    index: InProcessIndex, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    index.stop()
    with pytest.raises(CommandError, match=r"Start it\. To go on, type the same command again"):
        run(capsys)
    with pytest.raises(CommandError, match="The settings do not name the index pgvector"):
        run(capsys, to="pgvector")
    settings.VISUALSNOOP = {"shop": {"BACKEND": "django_visualsnoop.testing.RecorderCollection"}}
    with pytest.raises(CommandError, match="is not in the project's database"):
        run(capsys)
    with pytest.raises(CommandError, match="VISUALSNOOP has no collection 'other'"):
        call_command("visualsnoop_move_index", "other")


def test_the_server_fills_its_index(
    index: InProcessIndex, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VISUALSNOOP_SERVER = {"INDEX": index.name}
    call_command("visualsnoop_fillindex")
    assert "The index milvus holds all images." in capsys.readouterr().out
    settings.VISUALSNOOP_SERVER = {}
    with pytest.raises(CommandError, match='is "memory": there is nothing to fill'):
        call_command("visualsnoop_fillindex")
