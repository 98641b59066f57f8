"""Random relations: a merge loses no row, and an undo leaves everything as it was before."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.exceptions import MergeConflict
from django_visualsnoop.merging import merge_rows, plan_merge, undo
from django_visualsnoop.merging.plan import plan_merges
from tests.merging.graphs import dump, make_graph
from tests.testapp.relations import Item, SpecialItem

if TYPE_CHECKING:
    from django_visualsnoop.merging import MergePlan

pytestmark = pytest.mark.django_db

#: The other databases run the same code; what differs is when they check constraints.
GRAPHS = 200 if connection.vendor == "sqlite" else 60


def counts(rows: dict[str, list[Any]]) -> dict[str, int]:
    return {table: len(found) for table, found in rows.items()}


@pytest.mark.slow
def test_random_graphs() -> None:
    outcomes = {"whole": 0, "conflict": 0, "lossy": 0}
    for seed in range(GRAPHS):
        with transaction.atomic():
            outcomes[_check(random.Random(seed))] += 1
            transaction.set_rollback(True)
    assert all(count > GRAPHS / 10 for count in outcomes.values()), outcomes


def test_plans_made_at_once_are_those_made_one_by_one() -> None:
    for seed in range(GRAPHS // 5):
        with transaction.atomic():
            dice = random.Random(seed)
            first, *rows = make_graph(dice)
            dice.shuffle(rows)
            half = len(rows) // 2 + 1
            # The last two share rows, as groups by several image fields can.
            merges = [(first, rows[:half]), (rows[0], [first]), (rows[-1], [first, *rows[:-1]])]
            with CaptureQueriesContext(connection) as queries:
                plans = plan_merges(merges)
            assert list(map(_describe, plans)) == [
                _describe(plan_merge(kept, others)) for kept, others in merges
            ]
            with CaptureQueriesContext(connection) as more:
                plan_merges(merges * 5)
            assert len(more) == len(queries)
            transaction.set_rollback(True)


def _describe(plan: MergePlan) -> dict[str, Any]:
    described: dict[str, Any] = {
        str(one.reference): (
            {old: sorted(keys) for old, keys in one.moving.items()},
            sorted(one.repeated),
            sorted(one.conflicting),
            one.own,
        )
        for one in plan.movements
    }
    return described | {"levels": list(plan.levels), "fillable": plan.fillable}


def _check(dice: random.Random) -> str:
    kept, *others = make_graph(dice)
    dice.shuffle(others)
    del others[dice.randint(1, 2) :]
    lossy = dice.random() < 0.4
    before = dump()
    target = None if lossy and dice.random() < 0.3 else kept
    try:
        fills = target is not None and dice.random() < 0.5
        fill = plan_merge(target, others).fillable if fills else ()
        result = merge_rows(target, others, fill=fill, delete_conflicting=lossy)
    except MergeConflict:
        assert dump() == before
        return "conflict"
    after = counts(dump())
    if not lossy:
        lost = {table: count - after[table] for table, count in counts(before).items()}
        assert lost.pop(Item._meta.db_table) == len(others)
        assert lost.pop(SpecialItem._meta.db_table) <= len(others)  # columns of the same rows
        # Links that the kept row has already, and those among the merged rows.
        repeated = sum(one.count for one in result.plan.repeated)
        assert sum(lost.values()) <= repeated
        assert {table for table, count in lost.items() if count} <= {
            one.model._meta.db_table for one in result.plan.repeated
        }
    assert result.resolution is not None
    report = undo(result.resolution)
    assert report.left_alone == []
    assert dump() == before
    return "lossy" if lossy else "whole"
