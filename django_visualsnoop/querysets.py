"""The manager and QuerySet of indexed models: searches, and bulk changes that request a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections, models, router

from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.search_options import COPY, SIMILAR, SearchOptions
from django_visualsnoop.common.transactions import atomic_unless_open, atomic_write
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.indexed.tracking import fields_with_changed_condition
from django_visualsnoop.outbox.pausing import is_paused
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import SyncRequest, batch_requests, request_sync
from django_visualsnoop.outbox.upserts import find_upserted_keys
from django_visualsnoop.search.duplicates import find_duplicates
from django_visualsnoop.search.not_duplicates import list_rows, mark_rows, unmark_rows
from django_visualsnoop.search.ranking import find_ranking
from django_visualsnoop.search.similar import placements, rank_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from django_visualsnoop.common.search_options import Relation
    from django_visualsnoop.engine.matching.placement import Placement
    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.models import VisualSnoopMixin
    from django_visualsnoop.search.duplicates import DuplicateGroups
    from django_visualsnoop.search.similar import Searchable

#: The number of rows that ``update()`` lists by key; more could make the statement too long.
MAX_NAMED = 10_000

_Model = TypeVar("_Model", bound=models.Model, covariant=True)
_Row = TypeVar("_Row", bound=models.Model)

#: True for mypy, whose plugin knows more of managers than other type checkers.
MYPY = False


class VisualSnoopQuerySet(models.QuerySet[_Model]):
    """Use it with your own manager: ``YourManager.from_queryset(VisualSnoopQuerySet)``."""

    if TYPE_CHECKING:  # Django's own, missing in the stubs
        _db: str | None
        _hints: dict[str, Any]

        def _chain(self) -> Self: ...
        def _fetch_all(self) -> None: ...

    if TYPE_CHECKING and not MYPY:  # a manager has the methods of its QuerySet

        @classmethod
        def as_manager(cls) -> Self: ...

    #: Set on the QuerySet through which bulk_update() calls update(), which then makes no requests.
    _visualsnoop_requests_paused = False

    def similar_to(
        self,
        what: Searchable,
        *,
        field: str | None = None,
        limit: int = 20,
        min_similarity: float | None = None,
    ) -> Self:
        """Return the rows whose pictures look like ``what``: copies first, then the most similar.

        This searches at once. When Django evaluates the QuerySet, the search goes on until
        ``limit`` rows pass all filters, those before and those after ``similar_to()``. Rows have
        these attributes; the last three are ``None`` if the collection does not provide them:

        * ``visualsnoop_rank``: an integer distance, 0 = perceptually identical;
        * ``visualsnoop_similarity``: 0…1;
        * ``visualsnoop_relation``: ``"copy"`` for the same picture with at most global edits,
          ``"variant"`` for the same picture with a part of it replaced, ``"shot"`` for another
          shot of the same scene, ``"similar"`` for a picture that only looks similar;
        * ``visualsnoop_difference``: 0…1, the share of what both pictures show that differs.

        Args:
            what: an instance (the results leave it out), a field file, an uploaded or other
                binary file, a path, bytes, or a PIL image. If the instance is saved and
                unchanged, this uses the picture in the collection.
            field: the image field to search; all indexed fields of the model if ``None``.
            limit: the largest number of rows, at most 5,000.
            min_similarity: 0…1; the collection's own thresholds if ``None``.

        Raises:
            ImageRefusedError: ``what`` is not a picture.
            UnsupportedSearch: the collection does not support an option.
            VisualSnoopError: the collection failed.
            ValueError: the field does not exist, a limit or similarity is out of range, or this
                QuerySet is the result of a search.
        """
        options = SearchOptions(limit=limit, min_similarity=min_similarity, kind=SIMILAR)
        return rank_rows(self, what, options, field=field)

    async def asimilar_to(
        self,
        what: Searchable,
        *,
        field: str | None = None,
        limit: int = 20,
        min_similarity: float | None = None,
    ) -> Self:
        """Like ``similar_to()``, without blocking the event loop while it searches."""
        return await sync_to_async(self.similar_to)(
            what, field=field, limit=limit, min_similarity=min_similarity
        )

    def copies_of(
        self,
        what: Searchable,
        *,
        field: str | None = None,
        limit: int = 20,
        min_similarity: float | None = None,
        relations: Collection[Relation] = (COPY,),
    ) -> Self:
        """Return the rows whose pictures are copies of ``what``, closest first.

        Everything else is as with ``similar_to()``; ``visualsnoop_similarity`` is the probability
        that two pictures are related.

        Args:
            what, field, limit: see ``similar_to()``.
            min_similarity: 0…1; the collection's own threshold if ``None``.
            relations: which rows to return: ``"copy"``, ``"variant"``, ``"shot"``, or several of
                these. Copies come before variants, and these before other shots.

        Raises:
            ValueError: a relation does not exist; see also ``similar_to()``.
        """
        options = SearchOptions(limit=limit, min_similarity=min_similarity, relations=relations)
        return rank_rows(self, what, options, field=field)

    async def acopies_of(
        self,
        what: Searchable,
        *,
        field: str | None = None,
        limit: int = 20,
        min_similarity: float | None = None,
        relations: Collection[Relation] = (COPY,),
    ) -> Self:
        """Like ``copies_of()``, without blocking the event loop while it searches."""
        return await sync_to_async(self.copies_of)(
            what, field=field, limit=limit, min_similarity=min_similarity, relations=relations
        )

    def duplicates(
        self,
        *,
        of: models.QuerySet[Any] | None = None,
        field: str | None = None,
        min_similarity: float | None = None,
        progress: Callable[[float], object] | None = None,
        closer_look: bool = True,
    ) -> DuplicateGroups[_Model]:
        """Return groups of two or more rows that are copies of each other, best first.

        Variants, and other shots of a scene, are not copies; see ``similar_to()``. This finds the
        groups at once; it fetches their rows when you iterate or slice the groups.

        Args:
            of: return only groups with at least one of these rows.
            field: the image field to compare; all indexed fields of the model if ``None``.
            min_similarity: 0…1; the collection's own threshold if ``None``.
            progress: called from time to time with the completed part of the work, 0…1.
            closer_look: whether to read the files of rows that look like copies again, to find
                small differences. The embedded engine remembers what it finds, so the next call
                does not read these files; other collections ignore this.

        Raises:
            VisualSnoopError: the collection failed.
            ValueError: the field does not exist, or the similarity is out of range.
        """
        return find_duplicates(
            self,
            of=of,
            field=field,
            min_similarity=min_similarity,
            progress=progress,
            closer_look=closer_look,
        )

    def mark_not_duplicates(self, rows: Iterable[Any], *, field: str | None = None) -> int:
        """Remember that no two of these rows are duplicates: no group contains both again.

        This marks every pair of pictures of different rows. The collection stores the marks. They
        are valid while both files stay the same, so they survive reindexing. Rows whose picture is
        not in the collection are left out::

            (group,) = Product.objects.duplicates()
            Product.objects.mark_not_duplicates(group)

        Args:
            rows: 2 to 500 rows of this model; they need not be in this QuerySet.
            field: the image field; all indexed fields of the model if ``None``.

        Returns:
            The number of pairs of pictures that were not marked before.

        Raises:
            TypeError: one is not a row of this model.
            UnsupportedSearch: the collection does not support this; the embedded engine does.
            ValueError: there are less than two rows, or more than 500; one is not saved; or the
                model does not index the field.
        """
        return mark_rows(self, rows, field=field)

    mark_not_duplicates.alters_data = True  # type: ignore[attr-defined]

    async def amark_not_duplicates(self, rows: Iterable[Any], *, field: str | None = None) -> int:
        """Like ``mark_not_duplicates()``, without blocking the event loop."""
        return await sync_to_async(self.mark_not_duplicates)(rows, field=field)

    amark_not_duplicates.alters_data = True  # type: ignore[attr-defined]

    def unmark_not_duplicates(self, rows: Iterable[Any], *, field: str | None = None) -> int:
        """Remove the marks of all pairs of these rows.

        Args:
            rows, field: see ``mark_not_duplicates()``.

        Returns:
            The number of pairs of pictures that were marked.

        Raises: the errors of ``mark_not_duplicates()``.
        """
        return unmark_rows(self, rows, field=field)

    unmark_not_duplicates.alters_data = True  # type: ignore[attr-defined]

    async def aunmark_not_duplicates(self, rows: Iterable[Any], *, field: str | None = None) -> int:
        """Like ``unmark_not_duplicates()``, without blocking the event loop."""
        return await sync_to_async(self.unmark_not_duplicates)(rows, field=field)

    aunmark_not_duplicates.alters_data = True  # type: ignore[attr-defined]

    def list_not_duplicates(self, *, field: str | None = None) -> list[tuple[Any, Any]]:
        """Return the pairs of these rows that are marked as not duplicates, by their keys.

        Args:
            field: see ``mark_not_duplicates()``.
        """
        return list_rows(self, field=field)

    async def alist_not_duplicates(self, *, field: str | None = None) -> list[tuple[Any, Any]]:
        """Like ``list_not_duplicates()``, without blocking the event loop."""
        return await sync_to_async(self.list_not_duplicates)(field=field)

    def placements(
        self, row: VisualSnoopMixin, *, field: str | None = None
    ) -> dict[Any, Placement]:
        """Return where the picture of ``row`` is located in the pictures of these rows, by key.

        The result says why two pictures match: mirrored, rotated, scaled, and which part of one
        appears in the other. It omits rows whose pictures are not in the collection, or have too
        few details in common::

            found = Product.objects.copies_of(product)
            where = found.placements(product)

        Args:
            row: an indexed row whose picture is in the collection.
            field: the image field of both. If ``None``, the first field of ``row`` with a
                picture, and the same field of these rows, or their first field if they do not
                have it.

        Raises:
            NotFoundError: the picture of ``row`` is not in the collection.
            UnsupportedSearch: the collection does not support this; the embedded engine does.
            ValueError: the model does not index this field.
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
        if find_ranking(self.query) is not None:
            return self._rows_found().update(**kwargs)
        fields = [] if self._visualsnoop_requests_paused else self._concerned(frozenset(kwargs))
        if not fields or is_paused() or not self._is_updatable():
            return super().update(**kwargs)
        with atomic_write(SyncRecord, using=self._written):
            # Before the update, because its filters may match other rows afterwards.
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
        if find_ranking(self.query) is not None and not self.query.is_sliced:
            return self._rows_found().delete()
        with batch_requests(self._written):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def _rows_found(self) -> Self:
        """Return the rows of a search by their keys, so that a change of them searches once."""
        found = list(self.order_by().values_list("pk", flat=True))
        rows = type(self)(self.model, using=self._db, hints=self._hints)
        return rows.filter(pk__in=found)

    def contains(self, obj: models.Model) -> bool:
        if find_ranking(self.query) is not None:
            self._fetch_all()  # a filter by key would let a row pass that the limit leaves out
        return super().contains(obj)

    @property
    def _written(self) -> str:
        """Return the alias of the database that this QuerySet writes to."""
        return self._db or router.db_for_write(self.model, **self._hints)

    def _concerned(self, names: frozenset[str]) -> list[IndexedField]:
        """Return the indexed fields that a change of these attributes may affect."""
        conditional = fields_with_changed_condition(self.model, names)
        return [
            field
            for field in indexed_fields(self.model)
            if field.name in names or field in conditional
        ]

    def _is_updatable(self) -> bool:
        """Return whether Django and the database accept an UPDATE of this query, or else raise."""
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
            rows.query.distinct_fields = ()  # Django's UPDATE of one table ignores them
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
        """Return whether every database can lock the rows of this query.

        Databases refuse to lock the optional side of a join, DISTINCT, GROUP BY and windows.
        """
        query = self.query
        return (
            len(query.alias_map) <= 1
            and not query.distinct
            and query.group_by is None
            and not any(one.contains_over_clause for one in query.annotations.values())
        )

    def _among(self, keys: dict[str, list[Any]]) -> Self:
        """Exclude rows that others have committed since: no sync is requested for them."""
        if not connections[self._written].features.has_select_for_update:
            return self  # one writer at a time
        if any(len(found) > MAX_NAMED for found in keys.values()):
            return self  # the audit finds such a row
        return self.filter(**{f"{name}__in": found for name, found in keys.items()})

    def _inserted(self, rows: Iterable[_Model]) -> Iterator[SyncRequest]:
        for row in rows:
            for field in indexed_fields(self.model):
                # Without a key (ignore_conflicts), only the database can identify the row.
                if row.pk is not None and getattr(row, field.name):
                    yield SyncRequest(field, field.object_id(row), _should_index(field, row))

    def _upserted(
        self, rows: list[_Model], updated: frozenset[str], unique_fields: Collection[str] | None
    ) -> Iterator[SyncRequest]:
        """Yield the requests of rows; some may have existed, perhaps with other keys."""
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


if TYPE_CHECKING and not MYPY:

    class VisualSnoopManager(models.Manager[Any]):
        """The default ``objects`` of models with ``VisualSnoopMixin``."""

        def __get__(self, instance: None, owner: type[_Row]) -> VisualSnoopQuerySet[_Row]: ...
else:
    #: The default ``objects`` of models with ``VisualSnoopMixin``.
    VisualSnoopManager = models.Manager.from_queryset(VisualSnoopQuerySet)
