"""Gauges are what the database says, in one query."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import Error
from django.utils import timezone

from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.metrics import FAILING, HELP, LATE, PENDING_AGE, RECORDS, samples
from django_visualsnoop.sync import worker
from tests.down import database_down
from tests.fixtures import grow_old, lose, product
from tests.records import ago, failing, records

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db(databases=["default", "other"])

LABELS = {"collection", "model", "field", "database"}


def gauge(name: str, label: str = "", *, field: str = "photo", using: str = "default") -> Any:
    """Return a gauge of a field of products: its value, or by one more label its values."""
    found = {
        labels.get(label, ""): value
        for one, labels, value in samples(using)
        if one == name and (labels["model"], labels["field"]) == ("testapp.product", field)
    }
    return found if label else found[""]


def test_records_by_state_and_failures_by_reason(recorder: RecorderCollection) -> None:
    product(1)
    product(2)
    lose(product(3).photo)
    grow_old()
    worker.sweep(using="default")
    records(3)
    failing(2, "unreachable")
    failing(1, "authentication")
    assert gauge(RECORDS, "state") == {"in_sync": 2, "waiting": 3, "retrying": 3, "failed": 1}
    assert gauge(FAILING, "reason") == {"file_missing": 1, "unreachable": 2, "authentication": 1}
    assert gauge(RECORDS, "state", using="other") == {
        "in_sync": 0,
        "waiting": 0,
        "retrying": 0,
        "failed": 0,
    }
    assert gauge(FAILING, "reason", using="other") == {}


def test_ages_are_in_seconds_and_of_what_someone_is_to_work_on() -> None:
    assert (gauge(PENDING_AGE), gauge(LATE)) == (0, 0)
    records(1, due_at=None, requested_at=ago(9000), reason_code="undecodable")
    records(1, due_at=None, requested_at=ago(9000), applied=1)
    assert (gauge(PENDING_AGE), gauge(LATE)) == (0, 0)
    failing(1, requested_at=ago(3600), due_at=timezone.now() + timedelta(minutes=5))
    assert 3600 <= gauge(PENDING_AGE) < 3700
    assert gauge(LATE) == 0
    records(1, requested_at=ago(120), due_at=ago(60))
    assert 3600 <= gauge(PENDING_AGE) < 3700
    assert 60 <= gauge(LATE) < 160


def test_names_and_labels_follow_the_conventions() -> None:
    failing(1)
    names = set()
    for name, labels, value in samples():
        names.add(name)
        more = {RECORDS: {"state"}, FAILING: {"reason"}}.get(name, set())
        assert set(labels) == LABELS | more
        assert isinstance(value, float)
        assert labels["database"] == "default"
    assert names == set(HELP)
    for name, text in HELP.items():
        assert re.fullmatch(r"visualsnoop_[a-z_]+", name)
        assert not name.endswith("_total")  # that is for counters
        assert text.endswith(".")


def test_every_indexed_field_has_values_and_those_that_are_gone_while_they_have_records() -> None:
    def fields() -> set[tuple[str, str, str]]:
        return {
            (labels["collection"], labels["model"], labels["field"])
            for name, labels, _ in samples()
            if name == RECORDS
        }

    known = {(field.collection, field.label, field.name) for field in all_indexed_fields()}
    assert fields() == known
    records(1, field="old")
    assert fields() == {*known, ("default", "testapp.product", "old")}
    assert gauge(RECORDS, "state", field="old")["waiting"] == 1


@pytest.mark.parametrize("count", [1, 30])
def test_one_query(django_assert_num_queries: Any, count: int) -> None:
    records(count)
    failing(count)
    with django_assert_num_queries(1):
        list(samples())


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_a_database_that_is_down_gives_no_numbers() -> None:
    with database_down("other"), pytest.raises(Error):
        list(samples("other"))
