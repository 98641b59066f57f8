"""Random relations: a merge loses no row, and an undo leaves everything as it was before."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import connection, transaction

from django_visualsnoop.exceptions import MergeConflict
from django_visualsnoop.merging import merge_rows, plan_merge, undo
from tests.merging.graphs import dump, make_graph
from tests.testapp.relations import Item, SpecialItem

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
