"""The report: groups of copies, near misses, sync health."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from django_visualsnoop.collections import collections
from django_visualsnoop.reports.near_pairs import fetch_rows, find_near_pairs
from django_visualsnoop.reports.pictures import build_card, read_size
from django_visualsnoop.sync.status import failing, statuses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db import models

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.reports.near_pairs import NearPair
    from django_visualsnoop.reports.page import Page
    from django_visualsnoop.search.duplicates import DuplicateGroup, DuplicateGroups

#: Rows of one group on the page.
MAX_CARDS = 24
#: Failed records on the page.
MAX_FAILURES = 200


def write_groups(
    page: Page, model: type[models.Model], groups: DuplicateGroups[Any], *, limit: int
) -> None:
    """Write the groups of a model, preceded by their number and the bytes to free.

    Args:
        page: the page.
        model: the model of the rows.
        groups: all groups.
        limit: how many to show; the sizes of all count.
    """
    # The totals stand above the groups, but are known after them.
    with page.after() as body:
        free = 0
        with _sheet(body):
            for number, group in enumerate(groups, 1):
                sizes = [read_size(member.row, member.field) or 0 for member in group.members]
                freed = sum(sizes) - max(sizes)
                free += freed
                if number <= limit:
                    _write_group(body, number, group, freed)
        page.write(
            "groups.html",
            model=model._meta,
            count=len(groups),
            shown=min(limit, len(groups)),
            free=free,
        )


def _write_group(page: Page, number: int, group: DuplicateGroup[Any], freed: int) -> None:
    cards = [build_card(member.row, member.field) for member in islice(group.members, MAX_CARDS)]
    page.write(
        "group.html",
        number=number,
        size=len(group),
        similarity=group.similarity,
        freed=freed,
        cards=cards,
        hidden=len(group) - len(cards),
    )


def write_near_misses(
    page: Page,
    fields: Iterable[IndexedField],
    *,
    using: str,
    count: int,
    min_similarity: float | None,
) -> None:
    """Write the pairs closest to the threshold of a collection.

    Args:
        page: the page.
        fields: fields of one model that are indexed in one collection.
        using: alias of the database of the rows.
        count: how many pairs to show on each side of the threshold.
        min_similarity: the threshold; the collection's own if ``None``.
    """
    fields = tuple(fields)
    model, alias = fields[0].owner, fields[0].collection
    threshold = collections[alias].min_similarity if min_similarity is None else min_similarity
    pairs: list[NearPair] = []
    if threshold is not None:
        pairs = find_near_pairs(fields, using=using, threshold=threshold, count=count)
        if not pairs:
            return
    page.write("near_misses.html", model=model._meta, collection=alias, threshold=threshold)
    write_pairs(page, model, pairs, using=using, threshold=threshold or 0.0)


def write_pairs(
    page: Page, model: type[models.Model], pairs: list[NearPair], *, using: str, threshold: float
) -> None:
    """Write pairs, numbered in their order; those whose rows are gone are left out."""
    rows = fetch_rows(model, pairs, using)
    with _sheet(page):
        for number, pair in enumerate(pairs, 1):
            if pair.first in rows and pair.second in rows:
                cards = [
                    build_card(rows[key], field)
                    for key, field in zip((pair.first, pair.second), pair.fields, strict=True)
                ]
                page.write(
                    "pair.html",
                    number=number,
                    similarity=pair.similarity,
                    found=pair.similarity >= threshold,
                    cards=cards,
                )


@contextmanager
def _sheet(page: Page) -> Iterator[None]:
    page.write("sheet_start.html")
    yield
    page.write("sheet_end.html")


def write_health(page: Page, *, using: str) -> None:
    """Write how many pictures are in sync, and why others are not.

    Args:
        page: the page.
        using: alias of the database of the rows.
    """
    found = list(islice(failing(using), MAX_FAILURES + 1))
    page.write(
        "health.html",
        fields=statuses(using),
        failures=found[:MAX_FAILURES],
        has_more=len(found) > MAX_FAILURES,
    )
