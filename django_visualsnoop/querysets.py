"""The manager and QuerySet of indexed models: searching, and bulk changes kept in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections, models, router

from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.common.transactions import atomic_unless_open, atomic_write
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.indexed.tracking import fields_with_changed_condition
from django_visualsnoop.outbox.pausing import is_paused
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import SyncRequest, batch_requests, request_sync
from django_visualsnoop.outbox.upserts import find_upserted_keys
from django_visualsnoop.search.duplicates import find_duplicates
from django_visualsnoop.search.similar import PLACE, placements, similar_to

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from django_visualsnoop.engine.matching.placement import Placement
    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.models import VisualSnoopMixin
    from django_visualsnoop.search.duplicates import DuplicateGroups
    from django_visualsnoop.search.similar import Searchable

#: Rows that ``update()`` names by their keys; more could make too long a statement.
MAX_NAMED = 10_000

_Model = TypeVar("_Model", bound=models.Model, covariant=True)


class VisualSnoopQuerySet(models.QuerySet[_Model]):
    """Compose it with a manager of your own: ``YourManager.from_queryset(VisualSnoopQuerySet)``."""

    if TYPE_CHECKING:  # Django's own, which the stubs leave out
        _db: str | None
        _hints: dict[str, Any]

        def _chain(self) -> Self: ...

    #: Set on the QuerySet through which bulk_update() calls update(), which then requests nothing.
    _visualsnoop_requests_paused = False

    def similar_to(
        self,
        what: Searchable,
        *,
        field: str | None = None,
        limit: int = 20,
        min_similarity: float | None = None,
        kind: str = "copies",
    ) -> Self:
        """Return the rows whose pictures are copies of ``what``, or similar, closest first.

        The search is made now; the rows are fetched when the QuerySet is evaluated. It is an
        ordinary QuerySet, and the limit counts rows that pass its filters, those added before
        and those added after. Rows carry ``visualsnoop_rank`` (integer distance, 0 =
        perceptually identical) and ``visualsnoop_similarity`` (0…1; ``None`` where the
        collection does not tell).

        Args:
            what: an instance (which is left out of the results), a field file, an uploaded
                or other binary file, a path, bytes, or a PIL image. Of an instance that is
                saved and unchanged, the picture in the collection is used.
            field: the image field to search; any of the model's, if ``None``.
            limit: at most this many rows.
            min_similarity: 0…1; if ``None``, the collection's own threshold for copies, and
                none for what is similar.
            kind: ``"copies"`` of the picture, edited; or ``"similar"``, which promises nothing:
                the rows by how much they look like it, as far as the limit goes.

        Raises:
            ImageRefusedError: ``what`` is no picture.
            UnsupportedSearch: the collection does not offer this kind of search.
            VisualSnoopError: the collection did not answer.
            ValueError: no such field or kind, or a limit or similarity out of range.
        """
        options = SearchOptions(limit=limit, min_similarity=min_similarity, kind=kind)
        return similar_to(self, what, options, field=field)

    async def asimilar_to(
        self,
        what: Searchable,
        *,
        field: str | None = None,
        limit: int = 20,
        min_similarity: float | None = None,
        kind: str = "copies",
    ) -> Self:
        """Like ``similar_to()``, without blocking the event loop while it searches."""
        return await sync_to_async(self.similar_to)(
            what, field=field, limit=limit, min_similarity=min_similarity, kind=kind
        )

    def duplicates(
        self,
        *,
        of: models.QuerySet[Any] | None = None,
        field: str | None = None,
        min_similarity: float | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> DuplicateGroups[_Model]:
        """Return groups of two or more rows that are copies of each other, best first.

        The groups are found now; their rows are fetched as the groups are iterated or sliced.

        Args:
            of: only groups that hold at least one of these rows.
            field: the image field to compare; any of the model's, if ``None``.
            min_similarity: 0…1; the collection's own threshold if ``None``.
            progress: called now and then with the share of the work that is done, 0…1.

        Raises:
            VisualSnoopError: the collection did not answer.
            ValueError: no such field, or a similarity out of range.
        """
        return find_duplicates(
            self, of=of, field=field, min_similarity=min_similarity, progress=progress
        )

    def placements(
        self, row: VisualSnoopMixin, *, field: str | None = None
    ) -> dict[Any, Placement]:
        """Return where the picture of ``row`` lies in those of these rows, by their keys.

        It says why they match: mirrored, turned, larger or smaller, and which part of the one
        is seen in the other. Rows are left out whose pictures are not in the collection, or
        have too few details in common to tell::

            found = Product.objects.similar_to(product)
            where = found.placements(product)

        Args:
            row: an indexed row whose picture is in the collection.
            field: the image field of both; if ``None``, the first of ``row`` with a picture, and
                of these rows the same, or the first if their model has not that one.

        Raises:
            NotFoundError: the picture of ``row`` is not in the collection.
            UnsupportedSearch: the collection does not know; the embedded engine does.
            ValueError: the model indexes no such field.
        """
        return placements(self, row, field=field)

    def bulk_create(
        self,
        objs: Iterable[_Model],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[_Model]:
        objs = list(objs) if update_conflicts else objs
        with atomic_unless_open(using=self._written):
            created = super().bulk_create(
                objs, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
            )
            if update_conflicts:
                found = self._upserted(created, frozenset(update_fields or ()), unique_fields)
            else:
                found = self._inserted(created)
            request_sync(found, using=self._written)
            if ignore_conflicts:
                nameless = [row for row in created if row.pk is None]
                request_sync(self._upserted(nameless, frozenset(), None), using=self._written)
        return created

    def bulk_update(
        self, objs: Iterable[_Model], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        objs, names = tuple(objs), frozenset(fields)
        inner = self._chain()
        inner._visualsnoop_requests_paused = True
        with atomic_unless_open(using=self._written):
            count = super(VisualSnoopQuerySet, inner).bulk_update(objs, fields, batch_size)
            request_sync(
                (
                    SyncRequest(field, field.object_id(row), _should_index(field, row))
                    for row in objs
                    for field in self._concerned(names)
                ),
                using=self._written,
            )
        return count

    def update(self, **kwargs: Any) -> int:
        if PLACE in self.query.annotations:  # no database takes a window in an UPDATE
            found = list(self.order_by().values_list("pk", flat=True))
            rows = type(self)(self.model, using=self._db, hints=self._hints)
            return rows.filter(pk__in=found).update(**kwargs)
        fields = [] if self._visualsnoop_requests_paused else self._concerned(frozenset(kwargs))
        if not fields or is_paused() or not self._is_updatable():
            return super().update(**kwargs)
        with atomic_write(SyncRecord, using=self._written):
            # Before the update, after which its filters may match other rows.
            keys = {
                name: self._locked_values(name) for name in {field.key.attname for field in fields}
            }
            count = super(VisualSnoopQuerySet, self._among(keys)).update(**kwargs)
            request_sync(
                (
                    SyncRequest(field, field.key_text(key))
                    for field in fields
                    for key in keys[field.key.attname]
                ),
                using=self._written,
            )
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        with batch_requests(self._written):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    @property
    def _written(self) -> str:
        """Alias of the database that a write through this QuerySet goes to."""
        return self._db or router.db_for_write(self.model, **self._hints)

    def _concerned(self, names: frozenset[str]) -> list[IndexedField]:
        """Return the indexed fields that a change of these attributes may concern."""
        conditional = fields_with_changed_condition(self.model, names)
        return [
            field
            for field in indexed_fields(self.model)
            if field.name in names or field in conditional
        ]

    def _is_updatable(self) -> bool:
        """Whether Django and the database take an UPDATE of this query; if not, they say so."""
        features = connections[self._written].features
        return (
            not self.query.is_sliced
            and not self.query.combinator
            and (not self.query.distinct_fields or features.can_distinct_on_fields)
        )

    def _locked_values(self, name: str) -> list[Any]:
        """Return a column of the rows that ``update()`` will change, and lock those rows."""
        rows = self.using(self._written).order_by()
        if len(rows.query.alias_map) <= 1:
            rows.query.distinct_fields = ()  # Django's UPDATE of one table does not heed them
        if not connections[self._written].features.has_select_for_update:
            return list(rows.values_list(name, flat=True))
        if rows._is_lockable():
            return lock_rows(rows, name)
        keys = list(rows.values_list(name, flat=True))
        for start in range(0, len(keys), MAX_NAMED):
            some = keys[start : start + MAX_NAMED]
            named = self.model._base_manager.using(self._written).filter(**{f"{name}__in": some})
            lock_rows(named, name)
        return keys

    def _is_lockable(self) -> bool:
        """Whether every database locks the rows of this query.

        They refuse a join's optional side, DISTINCT, GROUP BY and windows.
        """
        query = self.query
        return (
            len(query.alias_map) <= 1
            and not query.distinct
            and query.group_by is None
            and not any(one.contains_over_clause for one in query.annotations.values())
        )

    def _among(self, keys: dict[str, list[Any]]) -> Self:
        """Leave out rows that others have committed since: no sync is requested for them."""
        if not connections[self._written].features.has_select_for_update:
            return self  # one writer at a time
        if any(len(found) > MAX_NAMED for found in keys.values()):
            return self  # the audit finds such a row
        return self.filter(**{f"{name}__in": found for name, found in keys.items()})

    def _inserted(self, rows: Iterable[_Model]) -> Iterator[SyncRequest]:
        for row in rows:
            for field in indexed_fields(self.model):
                # Without a key (ignore_conflicts) only the database knows which row it is.
                if row.pk is not None and getattr(row, field.name):
                    yield SyncRequest(field, field.object_id(row), _should_index(field, row))

    def _upserted(
        self, rows: list[_Model], updated: frozenset[str], unique_fields: Collection[str] | None
    ) -> Iterator[SyncRequest]:
        """Yield the requests of rows; some may have been there, perhaps under other keys."""
        fields = [
            field
            for field in indexed_fields(self.model)
            if field.name in updated or any(getattr(row, field.name) for row in rows)
        ]
        if fields:
            for key in find_upserted_keys(self.using(self._written), rows, unique_fields):
                yield from (SyncRequest(field, field.key_text(key)) for field in fields)

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._visualsnoop_requests_paused = self._visualsnoop_requests_paused
        return clone


def _should_index(field: IndexedField, row: Any) -> bool:
    return not field.has_condition or row.visualsnoop_should_index()


#: The default ``objects`` of models with ``VisualSnoopMixin``.
VisualSnoopManager = models.Manager.from_queryset(VisualSnoopQuerySet)
