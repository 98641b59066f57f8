"""What is down is seen, from the database alone, by a constant number of queries."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from django.utils.connection import ConnectionDoesNotExist

from django_visualsnoop import health as module
from django_visualsnoop.client.exceptions import AuthenticationError, RateLimitedError
from django_visualsnoop.health import MAX_DELAY, MIN_ATTEMPTS, Health, health
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import worker
from tests.down import PASSWORD, TABLE, database_down, lose_connection, tables_gone
from tests.fixtures import grow_old, lose, product, record_of
from tests.problems import only
from tests.records import ago, failing, records

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

without_a_transaction = pytest.mark.django_db(transaction=True, databases=["default", "other"])

#: One for the migrations, two for the records, one for the sweeps, one for the tables' names; two
#: for each field without a record, to see that no row has a picture.
QUERIES = 5 + 2 * len(all_indexed_fields())


def test_all_is_well(recorder: RecorderCollection) -> None:
    assert health() == Health("default", (), 0.0)
    product(1)
    worker.sweep(using="default")
    assert health().ok


def test_a_recent_request_is_no_problem() -> None:
    records(3)
    found = health()
    assert found.ok
    assert found.late is not None
    assert 0 <= found.late < MAX_DELAY


def test_records_that_nobody_works_on() -> None:
    records(1, due_at=ago(2 * 3600))
    records(2, due_at=ago(MAX_DELAY + 60))
    records(4, due_at=ago(MAX_DELAY - 60))
    found = health()
    problem = only(found)
    assert (problem.code, problem.count) == ("overdue", 3)
    assert (
        "3 records have been due for more than 10 min, the oldest for 2 h 0 min" in problem.message
    )
    assert "{'task': 'django_visualsnoop.sync_all', 'schedule': 60.0}" in problem.hint
    assert "python manage.py visualsnoop_sync --database default" in problem.hint
    assert found.late is not None
    assert found.late >= 2 * 3600
    assert health(max_delay=3 * 3600).ok
    assert only(health(max_delay=3600)).message.startswith("1 record has been due")
    SyncRecord.objects.all()[0].save(using="other")
    assert "'args': ('other',)" in only(health("other", max_delay=-1)).hint


def test_a_record_that_a_worker_has_leased_is_not_overdue(recorder: RecorderCollection) -> None:
    records(1, due_at=timezone.now() + timedelta(seconds=60), requested_at=ago(7200), lease=1)
    assert health().ok


@pytest.mark.parametrize("code", ["authentication", "unreachable", "server_error", "misconfigured"])
def test_failures_that_are_not_the_pictures_own(code: str) -> None:
    failing(2, code, requested_at=ago(60))
    (first,) = failing(1, code, requested_at=ago(1500), collection="archive", reason="x" * 900)
    problem = only(health())
    assert (problem.code, problem.count) == (code, 3)
    assert f"3 records have failed at least 3 times in a row ({code})" in problem.message
    assert f"in 'archive', 'default'. Example: {first.image_id}, requested 25 min ago" in (
        problem.message
    )
    assert problem.message.endswith(": " + "x" * module.MAX_QUOTE)
    assert "visualsnoop_sync --retry-failed --database default" in problem.hint


def test_one_problem_for_each_reason() -> None:
    failing(1, "unreachable")
    failing(2, "authentication")
    # Due again, and not for long: it is still what it was.
    failing(1, "server_error", due_at=ago(1))
    assert [(one.code, one.count) for one in health().problems] == [
        ("authentication", 2),
        ("unreachable", 1),
        ("server_error", 1),
    ]


def test_a_failure_that_passes_is_no_problem() -> None:
    failing(5, attempts=MIN_ATTEMPTS - 1)
    assert health().ok
    assert not health(min_attempts=MIN_ATTEMPTS - 1).ok


def test_keys_that_are_refused_again_and_again(recorder: RecorderCollection) -> None:
    row = product(1)
    with recorder.failing(AuthenticationError("401")):
        for attempt in range(1, MIN_ATTEMPTS + 1):
            assert health().ok
            SyncRecord.objects.update(due_at=timezone.now())
            worker.sweep(using="default")
            assert record_of(row).attempts == attempt
    problem = only(health())
    assert problem.code == "authentication"
    assert "Check PUBLIC_KEY and SECRET_KEY" in problem.hint


def test_a_service_that_limits_the_rate_is_slow_before_it_is_a_problem(
    recorder: RecorderCollection,
) -> None:
    failing(1, "rate_limited", requested_at=ago(MAX_DELAY - 60))
    assert health().ok
    assert only(health(max_delay=60)).code == "rate_limited"
    assert RateLimitedError("slow").retry_after is None


def test_a_picture_that_is_none_is_no_problem_unless_asked(recorder: RecorderCollection) -> None:
    rows = [product(1), product(2)]
    for row in rows:
        lose(row.photo)
    grow_old(days=1)
    worker.sweep(using="default")
    assert health().ok
    assert health(max_failed=2).ok
    problem = only(health(max_failed=1))
    assert (problem.code, problem.count) == ("failed", 2)
    assert "More than 1 records have failed permanently" in problem.message
    assert "visualsnoop_status --failed --database default" in problem.hint
    assert only(health(max_failed=0)).count == 1  # it counts no further than it must
    SyncRecord.objects.all()[0].delete()
    assert [problem.code for problem in health(max_failed=1).problems] == ["unrecorded"]


def test_a_picture_that_fails_again_is_its_own_fault() -> None:
    failing(1, "undecodable", attempts=9)
    assert health().ok


@without_a_transaction
def test_a_table_that_is_not_there() -> None:
    with tables_gone("other"):
        problem = only(health("other"))
    assert problem.code == "migrations"
    assert "'other' has no table visualsnoop_syncrecord" in problem.message
    assert "python manage.py migrate visualsnoop --database other" in problem.hint
    assert health("other").ok


@without_a_transaction
def test_a_database_that_was_never_migrated() -> None:
    with tables_gone("other", TABLE, "django_migrations"):
        assert only(health("other")).code == "migrations"


@without_a_transaction
def test_a_database_that_is_down() -> None:
    with database_down("other"):
        found = health("other")
    problem = only(found)
    assert (problem.code, problem.count, found.late) == ("database", None, None)
    assert problem.message == "The database 'other' does not answer (OperationalError)."
    assert problem.hint.endswith("python manage.py dbshell --database other")
    assert PASSWORD not in repr(found)
    assert health("other").ok


@without_a_transaction
def test_a_connection_that_was_lost_is_made_anew_by_the_next_probe() -> None:
    lose_connection("other", by="default")
    assert only(health("other")).code == "database"
    assert health("other").ok


def test_a_transaction_of_the_callers_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(using: str) -> None:
        raise OperationalError("canceling statement due to statement timeout")

    before = connections["default"].connection
    monkeypatch.setattr(module, "unapplied", refuse)
    assert only(health()).code == "database"
    assert connections["default"].connection is before
    assert SyncRecord.objects.count() == 0


def test_an_alias_that_does_not_exist_is_the_callers_mistake() -> None:
    with pytest.raises(ConnectionDoesNotExist):
        health("nowhere")


@pytest.mark.parametrize("count", [1, 40])
def test_a_constant_number_of_queries(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, count: int
) -> None:
    with django_assert_num_queries(QUERIES):
        assert health().ok
    records(count, due_at=ago(7200))
    with django_assert_num_queries(QUERIES + 1):  # one field has records now
        assert not health().ok
    failing(count)
    failing(count, "server_error")
    with django_assert_num_queries(QUERIES + 2):  # the reasons quoted
        assert len(health().problems) == 3
    with django_assert_num_queries(QUERIES + 3):
        health(max_failed=0)
    with django_assert_num_queries(QUERIES, using="other"):
        health("other")


def test_no_more_records_are_read_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 3)
    records(1, due_at=ago(9000))
    records(5, due_at=ago(7200))
    failing(5, due_at=timezone.now() + timedelta(minutes=9))
    failing(5, "authentication")
    overdue, unreachable = health().problems
    assert (overdue.count, unreachable.count) == (3, 3)
    assert overdue.message.startswith("3 or more records have been due")
    assert "the oldest for 2 h 30 min" in overdue.message
    assert unreachable.message.startswith("3 or more records have failed")
    SyncRecord.objects.filter(reason_code="unreachable", object_id__gt="0").delete()
    counts = {one.code: one.message.partition(" have")[0] for one in health().problems}
    assert counts["unreachable"] == "1 or more records"
    assert counts["authentication"] == "2 or more records"


def test_what_is_begun_again_and_again_is_a_problem() -> None:
    records(2, requested_at=ago(3600), attempts=3)
    records(1, requested_at=ago(30), attempts=3)
    records(1, requested_at=ago(3600), attempts=2)
    problem = only(health())
    assert (problem.code, problem.count) == ("stuck", 2)
    assert "started at least 3 times but never finished" in problem.message
    assert "visualsnoop_sync --database default" in problem.hint


def test_it_says_when_the_sweeper_last_began() -> None:
    assert health().swept_at is None
    assert health().ok  # there is nothing to sweep
    records(1, due_at=ago(7200))
    assert "The sweeper has never run for the database 'default'." in only(health()).message
    worker.sweep(using="default", limit=0)
    assert health().swept_at is not None
    assert "The last sweep started" in only(health()).message
