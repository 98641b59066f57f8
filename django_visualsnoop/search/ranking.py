"""Rows in the order of a search, and which of them pass the filters of a query.

A search does not know the filters: callers may add them before and after it. So the database
chooses when it runs the query. ``Ranking`` takes the best rows in portions, asks which of them the
query's other conditions let pass, and stops as soon as there are enough.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import NotSupportedError
from django.db.models import F, Func, Lookup, QuerySet
from django.db.models.lookups import In
from django.db.models.sql import AND, Query

from django_visualsnoop.common.search_options import RELATIONS, SIMILAR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import Field
    from django.db.models.sql.compiler import SQLCompiler

    _AnyLookup = Lookup[Any]
else:
    _AnyLookup = Lookup

_WORDS = {*RELATIONS, SIMILAR}
#: Rows of the first portion, and of the largest one. Each is four times as large as the one before.
FIRST_PORTION, GROWTH, LARGEST_PORTION = 100, 4, 1600
#: Without conditions: rows of the first portion, in addition to those that are wanted.
SPARE = 8
#: Name of a compiler's attribute: the rows that its statement finds, by ranking.
_FOUND = "_visualsnoop_found"


class RankedRow(NamedTuple):
    """A row that a search found."""

    key: Any
    rank: int
    similarity: float | None
    relation: str | None
    difference: float | None


class Ranking:
    """The rows that a search finds, closest first, each once, read only as far as needed.

    Args:
        rows: the rows; each iteration searches anew.
        limit: the largest number of rows of a query.
    """

    def __init__(self, rows: Iterable[RankedRow], limit: int) -> None:
        self.limit = limit
        self._source = rows
        self._prepare()

    def _prepare(self) -> None:
        self._read: list[RankedRow] = []
        self._rest: Iterator[RankedRow] | None = None
        self._lock = threading.RLock()
        self._answer = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit, "_source": self._source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def read(self, start: int, count: int) -> Sequence[RankedRow]:
        """Return the rows from a place on; fewer than ``count`` if there are no more.

        Raises:
            VisualSnoopError: the collection failed.
        """
        with self._lock:
            if self._rest is None:
                self._rest = iter(self._source)
            self._read += islice(self._rest, max(0, start + count - len(self._read)))
            return self._read[start : start + count]

    def select(self, compiler: SQLCompiler) -> Sequence[RankedRow]:
        """Return the rows that the statement of a compiler finds.

        Raises:
            NotSupportedError: the limit cannot be applied to this query.
        """
        answer: Sequence[RankedRow] | None = getattr(self._answer, "rows", None)
        if answer is not None:
            return answer
        found: dict[Ranking, Sequence[RankedRow]] = compiler.__dict__.setdefault(_FOUND, {})
        if self not in found:
            found[self] = self._select(compiler.query, compiler.connection.alias)
        return found[self]

    def _select(self, query: Query, alias: str) -> Sequence[RankedRow]:
        wanted = self._count_wanted(query)
        # First, so that a query is refused however few rows there are.
        conditions = _extract_conditions(query, self)
        rows = self.read(0, wanted + 1)
        if len(rows) <= wanted:
            return rows  # the conditions of the statement itself choose
        candidates: QuerySet[Any] = QuerySet(query.model, query=conditions, using=alias)
        keys = candidates.values_list("pk", flat=True)
        found: list[RankedRow] = []
        # Without conditions, only rows that have been deleted since are missing.
        start, size = 0, FIRST_PORTION if conditions.where.children else wanted + SPARE
        while len(found) < wanted and (portion := self.read(start, size)):
            with self._answering(portion):
                passing = set(keys.filter(pk__in=[row.key for row in portion]))
            found += [row for row in portion if row.key in passing]
            if start == 0 and not passing and not self._may_pass(keys):
                break
            start += len(portion)
            size = min(max(size * GROWTH, FIRST_PORTION), LARGEST_PORTION)
        return found[:wanted]

    def _may_pass(self, keys: QuerySet[Any, Any]) -> bool:
        """Return whether any row of the table passes the conditions, if they can tell."""
        return _contains(keys.query.where, RankedValue) or keys.exists()

    def _count_wanted(self, query: Query) -> int:
        """Return how many rows the query can return: a slice of the best may need fewer."""
        end = query.high_mark
        is_plain = not query.distinct and query.group_by is None and query.standard_ordering
        if end is None or not is_plain or not all(map(self._is_place, query.order_by)):
            return self.limit
        return min(self.limit, end)

    def _is_place(self, ordering: object) -> bool:
        return isinstance(ordering, Place) and ordering.ranking is self

    @contextmanager
    def _answering(self, rows: Sequence[RankedRow]) -> Iterator[None]:
        """Make expressions of this ranking use these rows, in this thread."""
        self._answer.rows = rows
        try:
            yield
        finally:
            self._answer.rows = None


class IsRanked(_AnyLookup):
    """The condition that a row is among those that the search finds.

    Args:
        ranking: the rows of the search.
    """

    prepare_rhs = False

    def __init__(self, lhs: Any, ranking: Ranking) -> None:
        super().__init__(lhs, ranking)

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        keys = [row.key for row in self.rhs.select(compiler)]
        sql, params = In(self.lhs, keys).as_sql(compiler, connection)
        return sql, tuple(params)


class RankedValue(Func):
    """``CASE pk WHEN key THEN value … END``: a value of each row that the search found.

    Django's own ``Case`` resolves one condition object per row; from a few hundred rows on, this
    takes longer than the query itself.

    Args:
        ranking: the rows of the search.
        name: the value's name in ``RankedRow``.
        output_field: the field of the values.
    """

    def __init__(self, ranking: Ranking, name: str, output_field: Field[Any, Any]) -> None:
        super().__init__(F("pk"), output_field=output_field)
        self.ranking = ranking
        self.name = name

    def list_values(self, rows: Sequence[RankedRow]) -> Iterable[tuple[Any, float | str | None]]:
        """Return pairs of a primary key and its value."""
        return ((row.key, getattr(row, self.name)) for row in rows)

    def get_group_by_cols(self) -> list[Any]:
        return list(self.get_source_expressions()[0].get_group_by_cols())

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[Any, ...]]:
        (key,) = self.get_source_expressions()
        column, column_params = compiler.compile(key)
        params: list[Any] = list(column_params)
        arms = []
        for value, told in self.list_values(self.ranking.select(compiler)):
            if (literal := _render_literal(told)) is not None:
                params.append(key.output_field.get_db_prep_value(value, connection))
                arms.append(f"WHEN %s THEN {literal}")
        if not arms:
            return "NULL", ()
        return f"CASE {column} {' '.join(arms)} END", tuple(params)


def _render_literal(value: object) -> str | None:
    """Return a value in SQL: a finite number, or one of our own words; ``None`` for all else.

    A literal keeps the type of a number, and databases allow only some 30,000 parameters. Values
    may come from a service, so nothing else may pass.
    """
    if isinstance(value, int | float) and math.isfinite(value):
        return repr(float(value) if isinstance(value, float) else int(value))
    return f"'{value}'" if isinstance(value, str) and value in _WORDS else None


class Place(RankedValue):
    """The place of each row, from 0."""

    def list_values(self, rows: Sequence[RankedRow]) -> Iterable[tuple[Any, float | str | None]]:
        return ((row.key, place) for place, row in enumerate(rows))


def find_ranking(query: Query) -> Ranking | None:
    """Return the ranking among the conditions of a query; ``None`` if it has none."""
    for condition in query.where.children:
        if isinstance(condition, IsRanked):
            ranking: Ranking = condition.rhs
            return ranking
    return None


def _extract_conditions(query: Query, ranking: Ranking) -> Query:
    """Return a query for the rows that pass all other conditions, whatever their place.

    Raises:
        NotSupportedError: the limit cannot be applied to this query.
    """
    rest = query.chain(klass=Query)  # an UPDATE has conditions, too
    children = rest.where.children
    others = [one for one in children if not (isinstance(one, IsRanked) and one.rhs is ranking)]
    if len(others) == len(children) or rest.where.connector != AND or rest.where.negated:
        raise NotSupportedError(
            "The result of a search cannot be combined with | or negated. Use union(), or filter "
            "by the keys of its rows: filter(pk__in=[row.pk for row in found])."
        )
    if any(_contains(one, IsRanked) for one in others):
        raise NotSupportedError(
            "The results of two searches cannot be combined with &. Filter one of them by the "
            "keys of the other's rows: found.filter(pk__in=[row.pk for row in other])."
        )
    if any(getattr(one, "contains_over_clause", False) for one in others):
        raise NotSupportedError(
            "The result of a search cannot be filtered by a window function. Filter by the keys "
            "of the rows that pass: found.filter(pk__in=[…])."
        )
    if rest.get_external_cols():
        raise NotSupportedError(
            "A search cannot depend on the row of an outer query (OuterRef). Search before, and "
            "use the keys of its rows."
        )
    if not _is_one_row_each(rest):  # conditions on groups of rows choose no rows
        others = [one for one in others if not getattr(one, "contains_aggregate", False)]
        rest.group_by = None
    rest.where.children = others
    rest.clear_ordering(force=True)
    rest.clear_limits()
    rest.distinct, rest.distinct_fields = False, ()
    rest.select_for_update = False
    return rest


def _is_one_row_each(query: Query) -> bool:
    """Return whether each group of a query is one row."""
    if not isinstance(query.group_by, tuple):
        return True
    key = query.get_meta().pk
    return any(getattr(column, "target", None) == key for column in query.group_by)


def _contains(condition: Any, kind: type) -> bool:
    """Return whether a condition, or an expression in it, is of a kind."""
    if isinstance(condition, kind):
        return True
    inner = getattr(condition, "children", None)
    if inner is None:
        inner = getattr(condition, "get_source_expressions", tuple)()
    return any(_contains(one, kind) for one in inner)
