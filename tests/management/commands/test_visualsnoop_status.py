"""``manage.py visualsnoop_status``."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.sync import worker
from tests.down import PASSWORD, database_down, tables_gone
from tests.fixtures import grow_old, product
from tests.records import ago, failing, records
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])
without_a_transaction = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def run(*arguments: str, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    call_command("visualsnoop_status", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def broken(recorder: RecorderCollection) -> Product:
    """One row that is in sync, and this one, which failed an hour ago."""
    product(1)
    row = product(2)
    default_storage.delete(str(row.photo.name))
    grow_old()
    worker.sweep(using="default")
    return row


def test_each_field_has_a_line(broken: Product) -> None:
    lines = run().splitlines()
    where = lines.index(
        "testapp.product.photo → default: 2 rows with a picture; "
        "1 in sync, 0 waiting, 0 retrying, 1 failed"
    )
    assert lines[where + 1].startswith(
        f"    1 file_missing, for example testapp.product.photo:{broken.pk}: The file is not in"
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
    assert (photo["rows"], photo["in_sync"], photo["failed"]) == (2, 1, 1)
    assert photo["reasons"][0]["code"] == "file_missing"
    assert (photo["oldest_pending"], photo["oldest_pending_age"]) == (None, None)
    assert (told["healthy"], told["problems"], told["late"]) == (True, [], 0.0)
    (failed,) = told["failed"]
    assert (failed["object_id"], failed["state"]) == (str(broken.pk), "failed")
    assert "failed" not in json.loads(run("--json"))


def test_fields_that_are_gone(broken: Product) -> None:
    SyncRecord.objects.update(field="old")
    assert (
        "testapp.product.old → default: the code no longer indexes this field; 1 in sync" in run()
    )


def test_another_database(broken: Product) -> None:
    assert "testapp.product.photo → default: 0 rows" in run("--database", "other")


def test_a_pending_request(broken: Product) -> None:
    SyncRecord.objects.update(due_at=ago(60), requested_at=ago(3600), generation=7, applied=None)
    assert "    the oldest pending request is 1 h 0 min old" in run().splitlines()
    (photo,) = (one for one in json.loads(run("--json"))["fields"] if one["oldest_pending"])
    assert 3600 <= photo["oldest_pending_age"] < 3700


def test_what_is_down_comes_first(broken: Product) -> None:
    records(2, due_at=ago(3600))
    first, second, *rest = run().splitlines()
    assert first.startswith("overdue: 2 records have been due for more than 10 min")
    assert "visualsnoop_sync --database default" in second
    assert any(line.startswith("testapp.product.photo → default: ") for line in rest)
    told = json.loads(run("--json"))
    assert told["healthy"] is False
    assert [(one["code"], one["count"]) for one in told["problems"]] == [("overdue", 2)]
    assert 3600 <= told["late"] < 3700


def test_check_says_what_is_down_and_fails(broken: Product) -> None:
    failing(1, "authentication", requested_at=ago(3600))
    out = io.StringIO()
    with pytest.raises(CommandError, match="authentication") as caught:
        run("--check", out=out)
    assert caught.value.returncode == 1
    first, second = out.getvalue().splitlines()
    assert first.startswith("authentication: 1 record has failed at least 3 times in a row")
    assert "Check PUBLIC_KEY and SECRET_KEY" in second


def test_check_is_quick_and_content_where_nothing_is_down(
    broken: Product, django_assert_num_queries: Any
) -> None:
    # See QUERIES of the tests of health; the field of the broken one has a record.
    with django_assert_num_queries(5 + 2 * len(all_indexed_fields()) + 2):
        assert run("--check") == "No problems in the database 'default'.\n"
    told = json.loads(run("--check", "--json"))
    assert datetime.fromisoformat(told.pop("swept_at")) <= timezone.now()
    assert told == {"database": "default", "healthy": True, "problems": [], "late": 0.0}


def test_check_has_limits(broken: Product) -> None:
    records(1, due_at=ago(120))
    run("--check")
    with pytest.raises(CommandError, match="overdue"):
        run("--check", "--max-delay", "60")
    failing(1, attempts=1, requested_at=ago(3600))
    run("--check")
    with pytest.raises(CommandError, match="unreachable"):
        run("--check", "--min-attempts", "1")
    with pytest.raises(CommandError, match="problems: failed"):
        run("--check", "--max-failed", "0")


@without_a_transaction
def test_a_database_without_the_table_says_what_to_type(recorder: RecorderCollection) -> None:
    out = io.StringIO()
    with tables_gone("other"), pytest.raises(CommandError, match="migrations"):
        run("--database", "other", out=out)
    assert "python manage.py migrate visualsnoop --database other" in out.getvalue()


@without_a_transaction
@pytest.mark.parametrize("arguments", [(), ("--failed",), ("--check",)])
def test_a_database_that_is_down(recorder: RecorderCollection, arguments: tuple[str, ...]) -> None:
    out = io.StringIO()
    with database_down("other"):
        with pytest.raises(CommandError, match="problems: database"):
            run("--database", "other", *arguments, out=out)
        json_out = io.StringIO()
        with pytest.raises(CommandError):
            run("--database", "other", "--json", *arguments, out=json_out)
    first, second = out.getvalue().splitlines()
    assert first == "database: The database 'other' does not answer (OperationalError)."
    assert "dbshell --database other" in second
    told = json.loads(json_out.getvalue())
    assert (told["healthy"], told["problems"][0]["code"]) == (False, "database")
    assert told.get("fields") == (None if "--check" in arguments else [])
    assert PASSWORD not in out.getvalue() + json_out.getvalue()


def test_rows_without_a_record_are_told_with_what_to_type(broken: Product) -> None:
    with sync_paused():
        Product.objects.create(photo="a.png")
    text = run()
    assert "unrecorded: Rows have pictures that were never indexed" in text
    assert (
        "    at least 1 rows were never indexed. Type: "
        "python manage.py visualsnoop_reindex testapp.product --missing --database default\n"
    ) in text


@pytest.mark.usefixtures("media")
def test_images_of_an_older_version_are_told() -> None:
    product(1)
    worker.sweep(using="default")
    assert "older version" not in run()
    assert json.loads(run("--json"))["outdated"] == {}
    IndexedImage.objects.update(version=1)
    text = run()
    assert "default: an older version or another model described 1 images. Until they" in text
    assert "python manage.py visualsnoop_reindex --collection default" in text
    assert json.loads(run("--json"))["outdated"] == {"default": 1}


def test_images_without_an_embedding_are_told(broken: Product, settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": "tests.embeddings.BROKEN"}}}
    product(1)
    worker.sweep(using="default")
    text = run()
    assert "default: the embedding model failed for 1 images. Searches find them as copies" in text
    assert "python manage.py visualsnoop_reindex --collection default" in text
