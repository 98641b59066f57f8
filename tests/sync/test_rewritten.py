"""Files that are written again in place, shortly after their row is saved."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.files.storage import FileSystemStorage

from django_visualsnoop.health import health
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import process_rewritten, sweep
from django_visualsnoop.tasks import look_again, sync_records
from tests.collections.contract import image
from tests.fixtures import image_id, lose, picture, product, record_of

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db

State = SyncRecord.State


class TestRewrittenFiles:
    """As the usual tutorial does it: ``super().save()``, then ``image.save(self.photo.path)``."""

    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        told: list[list[str]] = []
        monkeypatch.setattr(
            "django_visualsnoop.outbox.dispatch.dispatch_look_again",
            lambda _, ids, __: told.append(ids),
        )
        return told

    def test_the_new_content_wins(
        self, recorder: RecorderCollection, told: list[list[str]]
    ) -> None:
        row, other = product(1), product(2)
        sync_records("default", [str(record_of(one).pk) for one in (row, other)])
        Path(row.photo.path).write_bytes(image(3))
        ((*ids,),) = told
        assert set(ids) == {str(record_of(one).pk) for one in (row, other)}
        calls = len(recorder.calls)
        look_again("default", ids)
        assert recorder.images == {image_id(row): image(3), image_id(other): image(2)}
        assert len(recorder.calls) == calls + 1
        assert record_of(row).state == State.IN_SYNC

    def test_only_fresh_files_are_looked_at_again(
        self, recorder: RecorderCollection, told: list[list[str]]
    ) -> None:
        row = product(1)
        hour_ago = time.time() - 3600
        os.utime(row.photo.path, (hour_ago, hour_ago))
        sync_records("default", [str(record_of(row).pk)])
        assert told == [[]]

    def test_a_file_that_is_gone_is_left_to_its_row(
        self, recorder: RecorderCollection, told: list[list[str]]
    ) -> None:
        row = product(1)
        sync_records("default", [str(record_of(row).pk)])
        lose(row.photo)
        look_again("default", told[0])
        assert record_of(row).state == State.IN_SYNC


@pytest.mark.parametrize("use_tz", [True, False])
def test_it_works_with_and_without_time_zones(
    settings: Settings, recorder: RecorderCollection, use_tz: bool
) -> None:
    settings.USE_TZ, settings.TIME_ZONE = use_tz, "Europe/Berlin"
    first, old = product(1), product(2)
    day_ago = time.time() - 86_400
    os.utime(old.photo.path, (day_ago, day_ago))
    outcome = sweep(using="default")
    assert outcome.in_sync == 2
    assert outcome.fresh == [str(record_of(first).pk)]
    first.photo = picture(3)
    first.save()
    assert sweep(using="default").in_sync == 1
    assert health("default").ok


def test_a_storage_that_knows_no_times_hinders_nothing(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, name: str) -> None:
        raise NotImplementedError(name)

    row = product()
    monkeypatch.setattr(FileSystemStorage, "get_modified_time", refuse)
    outcome = sweep(using="default")
    assert outcome.in_sync == 1
    assert outcome.fresh == []
    monkeypatch.setattr(FileSystemStorage, "open", refuse)
    assert process_rewritten([str(record_of(row).pk)], using="default").worked_on == 0
