"""``similar_to()`` and ``copies_of()``: from a picture to rows of the model, closest first."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from django.db import models, router
from django.db.models import F
from django.db.models.fields.files import FieldFile

from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.client.sources import ImageSource, read_image
from django_visualsnoop.collections import collections
from django_visualsnoop.indexed import tracking
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.options import indexed_field, indexed_fields, is_indexed
from django_visualsnoop.search.aliases import alias_in_ids, written_alias
from django_visualsnoop.search.ranking import (
    IsRanked,
    Place,
    RankedRow,
    RankedValue,
    Ranking,
    find_ranking,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image as PILImage

    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.collections.results import ImageMatch
    from django_visualsnoop.common.search_options import SearchOptions
    from django_visualsnoop.engine.matching.placement import Placement
    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.querysets import VisualSnoopQuerySet

    # The stubs say that request.FILES[...] may be a list, which raises TypeError here.
    Searchable: TypeAlias = models.Model | FieldFile | ImageSource | PILImage | list[object]

#: The values of a ``RankedRow`` that annotate its row, after ``visualsnoop_``.
_ANNOTATED: dict[str, models.Field[Any, Any]] = {
    "rank": models.IntegerField(),
    "similarity": models.FloatField(),
    "relation": models.CharField(),
    "difference": models.FloatField(),
}
#: A statement names each row several times, and databases limit its parameters.
MAX_LIMIT = 5000

_QuerySet = TypeVar("_QuerySet", bound="VisualSnoopQuerySet[Any]")


def rank_rows(
    queryset: _QuerySet,
    what: Searchable,
    options: SearchOptions,
    *,
    field: str | None = None,
    stored_only: bool = False,
) -> _QuerySet:
    """Return rows in the order of a search, closest first.

    Args:
        queryset: the rows to search.
        what: see ``VisualSnoopQuerySet.similar_to()``.
        options: what to search for; they must have a limit, which counts rows.
        field: the image field to search; all indexed fields of the model if ``None``.
        stored_only: whether to find nothing, instead of reading its file, for an instance whose
            picture is not in the collection.
    """
    if options.limit is None or options.limit > MAX_LIMIT:
        raise ValueError(f"limit must be an integer from 1 to {MAX_LIMIT}, not {options.limit!r}.")
    if find_ranking(queryset.query) is not None:
        raise ValueError(
            "This QuerySet is the result of a search. Search the rows that it was made from, or "
            "those with its keys: filter(pk__in=[row.pk for row in found])."
        )
    fields = fields_searched(queryset.model, field)
    query = _Query(what, field, stored_only)
    own = query.own_keys(fields[0])
    if own and fields[0].may_be_spelled_otherwise(queryset.db):
        queryset = queryset.exclude(pk__in=own)  # the row may format its key differently
    ids = ImageIds((field, written_alias(field, queryset)) for field in fields)
    aliases = tuple(dict.fromkeys(field.collection for field in fields))
    ranking = Ranking(_RowsInOrder(query, options, ids, aliases, own), options.limit)
    ranking.read(0, options.limit + 1)  # so that errors of the search are raised here
    rows = queryset.filter(IsRanked(F("pk"), ranking)).annotate(
        **{
            f"visualsnoop_{name}": RankedValue(ranking, name, output)
            for name, output in _ANNOTATED.items()
        }
    )
    return rows.order_by(Place(ranking, "place", models.IntegerField()))


@dataclass(frozen=True, slots=True)
class _RowsInOrder:
    """The rows that a search finds, closest first; each iteration searches."""

    query: _Query
    options: SearchOptions
    ids: ImageIds
    aliases: tuple[str, ...]
    #: Keys to leave out.
    own: frozenset[Any]

    def __iter__(self) -> Iterator[RankedRow]:
        seen = set(self.own)
        for row in merge(*map(self._search, self.aliases), key=attrgetter("rank")):
            if row.key not in seen:
                seen.add(row.key)
                yield row

    def _search(self, alias: str) -> Iterator[RankedRow]:
        ids = self.ids.in_collection(alias)
        for match in self.query.search(collections[alias], self.options):
            parsed = ids.parse(match.image_id)
            if parsed is not None:
                yield RankedRow(
                    parsed.key, match.rank, match.similarity, match.relation, match.difference
                )


def placements(
    queryset: VisualSnoopQuerySet[Any], row: models.Model, *, field: str | None
) -> dict[Any, Placement]:
    """Implement ``VisualSnoopQuerySet.placements()``."""
    fields = fields_searched(queryset.model, field)
    own = _field_of(row, field)
    searched = own if own in fields else fields[0]
    alias = written_alias(searched, queryset)
    ids = {searched.image_id(searched.object_id(one), alias): one.pk for one in queryset}
    found = collections[searched.collection].placements(
        own.image_id(own.object_id(row), _alias_of(row, own)), list(ids)
    )
    return {ids[image_id]: where for image_id, where in found.items()}


def fields_searched(model: type[models.Model], name: str | None) -> tuple[IndexedField, ...]:
    """Return the fields that a search by this field name covers.

    Raises:
        ValueError: the model does not index this field, or does not index any field.
    """
    if name is not None:
        return (indexed_field(model, name),)
    fields = indexed_fields(model)
    if not fields:
        raise ValueError(f"{model._meta.label} has no indexed image field.")
    return fields


class _Query:
    """The picture to search for, by its id if a collection contains it, otherwise by its bytes."""

    def __init__(self, what: Any, field: str | None, stored_only: bool = False) -> None:
        self._stored_only = stored_only
        self._instance: models.Model | None = None
        self._field: IndexedField | None = None
        self._file: Any = what
        if isinstance(what, models.Model) and is_indexed(type(what)):
            self._instance = what
            self._field = _field_of(what, field)
            self._file = getattr(what, self._field.name)
        elif isinstance(what, models.Model):
            raise TypeError(
                f"{what._meta.label} is not indexed: give one of its files instead, "
                "or let it inherit from VisualSnoopMixin."
            )
        elif isinstance(what, FieldFile):
            self._instance = what.instance
        self._bytes: bytes | None = None

        if self._instance is None:
            self._file, self._bytes = None, _bytes_of(what)

    @property
    def _is_empty(self) -> bool:
        """Return whether the instance has no picture, so that nothing is similar to it."""
        return isinstance(self._file, FieldFile) and not self._file

    def own_keys(self, searched: IndexedField) -> frozenset[Any]:
        """Return the key of the instance itself, so that the results omit it."""
        row = self._instance
        if row is None or row.pk is None:
            return frozenset()
        own = row._meta.concrete_model
        assert own is not None
        # A child row and its parent row are the same object with the same key.
        same = issubclass(own, searched.owner) or issubclass(searched.owner, own)
        return frozenset((searched.key_value(row.pk, _alias(row)),)) if same else frozenset()

    def search(self, collection: BaseCollection, options: SearchOptions) -> Iterator[ImageMatch]:
        """Yield the matches of the collection, closest first.

        Args:
            collection: the collection to search.
            options: what to search for.
        """
        if self._is_empty:
            return iter(())
        image_id = self._id_in(collection)
        if image_id is not None:
            with suppress(NotFoundError):  # not indexed yet, or never
                return chain.from_iterable(collection.iter_matches_by_id(image_id, options))
        if self._stored_only:
            return iter(())
        if self._bytes is None:
            self._bytes = _bytes_of(self._file)
        return chain.from_iterable(collection.iter_matches(self._bytes, options))

    def _id_in(self, collection: BaseCollection) -> str | None:
        row, field = self._instance, self._field
        if row is None or field is None or field.collection != collection.alias:
            return None
        if row.pk is None or tracking.dirty_fields(row, None, adding=row._state.adding):
            return None  # the collection has another picture, or none
        return field.image_id(field.object_id(row), _alias_of(row, field))


def _alias_of(row: models.Model, field: IndexedField) -> str:
    """Return the database alias in the id of a row's image."""
    return alias_in_ids(field, _alias(row), row)


def _alias(row: models.Model) -> str:
    return row._state.db or router.db_for_write(type(row), instance=row)


def _field_of(instance: models.Model, name: str | None) -> IndexedField:
    """Return the field of the picture: the given field, or the first field with a picture."""
    fields = indexed_fields(type(instance))
    if not fields:
        raise ValueError(f"{instance._meta.label} has no indexed image field.")
    named = [field for field in fields if field.name == name]
    filled = [field for field in fields if getattr(instance, field.name)]
    return (named or filled or list(fields))[0]


def _bytes_of(what: Any) -> bytes:
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(what, pil.Image):
        buffer = io.BytesIO()
        if what.mode == "HSV":  # no file format supports it
            what = what.convert("RGB")
        what.save(buffer, "PNG" if what.mode not in ("CMYK", "YCbCr", "LAB") else "TIFF")
        return buffer.getvalue()
    return read_image(what)
