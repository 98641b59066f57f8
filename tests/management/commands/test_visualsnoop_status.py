"""``manage.py visualsnoop_status``."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from django_visualsnoop import sync
from django_visualsnoop.models import SyncRecord
from tests.fixtures import product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection
    from tests.testapp.models import Product

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("visualsnoop_status", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def broken(recorder: RecorderCollection) -> Product:
    """One row that agrees, and this one that failed an hour ago."""
    product(1)
    row = product(2)
    default_storage.delete(str(row.photo.name))
    sync.sweep(using="default")
    SyncRecord.objects.update(wished_at=timezone.now() - timedelta(hours=1))
    return row


def test_each_field_has_a_line(broken: Product) -> None:
    lines = run().splitlines()
    where = lines.index(
        "testapp.product.photo → default: 2 rows with a picture; "
        "1 agree, 0 waiting, 0 retrying, 1 failed"
    )
    assert lines[where + 1] == "    the oldest wish waits for 1 h 0 min"
    assert lines[where + 2].startswith(
        f"    1 file_missing, such as testapp.product.photo:{broken.pk}: The file is not in"
    )
    assert any(line.startswith("testapp.document.scan → archive: 0 rows") for line in lines)


def test_failures_are_listed_if_asked(broken: Product) -> None:
    line = f"testapp.product.photo:{broken.pk} (failed): The file is not in the storage"
    assert line not in run()
    assert line in run("--failed")


def test_json(broken: Product) -> None:
    told = json.loads(run("--json", "--failed"))
    (photo,) = (
        one
        for one in told["fields"]
        if (one["model"], one["field"]) == ("testapp.product", "photo")
    )
    assert (photo["rows"], photo["agree"], photo["failed"]) == (2, 1, 1)
    assert photo["reasons"][0]["code"] == "file_missing"
    (failed,) = told["failed"]
    assert (failed["object_id"], failed["state"]) == (str(broken.pk), "parked")
    assert "failed" not in json.loads(run("--json"))


def test_fields_that_are_gone(broken: Product) -> None:
    SyncRecord.objects.update(field="old")
    assert "testapp.product.old → default: no longer indexed by the code; 1 agree" in run()


def test_another_database(broken: Product) -> None:
    assert "testapp.product.photo → default: 0 rows" in run("--database", "other")


def test_a_database_without_the_table_says_what_to_type(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections["other"].introspection, "table_names", lambda: ["auth_user"])
    with pytest.raises(CommandError, match="migrate visualsnoop --database other"):
        run("--database", "other")
