"""``manage.py visualsnoop_sync``."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.models import SyncRecord
from tests.fixtures import picture, product, record_of
from tests.testapp.models import Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("visualsnoop_sync", *arguments, stdout=out)
    return out.getvalue()


def test_it_brings_home_what_is_due(recorder: RecorderCollection) -> None:
    product(1)
    assert run().startswith("1 records in sync, 0 retrying, 0 failed.")
    assert recorder.images
    assert run().startswith("0 records in sync")


def test_a_limit(recorder: RecorderCollection) -> None:
    for n in (1, 2, 3):
        product(n)
    run("--limit", "2")
    assert len(recorder.images) == 2


def test_another_database(recorder: RecorderCollection) -> None:
    product(1)
    Product.objects.using("other").create(photo=picture(2))
    assert run("--database", "other").startswith("1 records in sync")
    assert record_of(Product.objects.get()).state == SyncRecord.State.WAITING


def test_failures_end_with_an_error(recorder: RecorderCollection) -> None:
    product(1)
    with (
        recorder.failing(ServerError("busy")),
        pytest.raises(CommandError, match="visualsnoop_status --failed --database default"),
    ):
        run()


def test_what_failed_for_good_is_tried_again_if_asked(recorder: RecorderCollection) -> None:
    row = product(1)
    default_storage.delete(str(row.photo.name))
    with pytest.raises(CommandError):
        run()
    requested_at = record_of(row).requested_at
    default_storage.save(row.photo.name, picture(1))
    run()
    assert not recorder.images
    out = run("--retry-failed")
    assert out.splitlines()[0] == "Requeued 1 failed records."
    assert recorder.images
    assert record_of(row).requested_at == requested_at
    assert run("--retry-failed").splitlines()[0] == "Requeued 0 failed records."


def test_what_waits_for_a_later_attempt_is_tried_now_if_asked(recorder: RecorderCollection) -> None:
    product(1)
    with recorder.failing(ServerError("busy")), pytest.raises(CommandError):
        run()
    run()
    assert not recorder.images
    assert run("--retry-failed").splitlines()[0] == "Requeued 1 failed records."
    assert recorder.images


def test_an_audit_finds_what_changed_without_a_request(recorder: RecorderCollection) -> None:
    rows = [product(1), product(2)]
    run()
    Product._base_manager.update(photo="")
    assert run().startswith("0 records in sync")
    out = run("--audit", "--batch-size", "1").splitlines()
    assert out[0] == f"The audit found {len(rows)} rows that were not in sync."
    assert out[1].startswith("2 records in sync")
    assert recorder.images == {}


def test_a_batch_without_rows_is_refused() -> None:
    with pytest.raises(CommandError, match="--batch-size"):
        run("--batch-size", "0")
