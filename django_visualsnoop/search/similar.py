"""``similar_to()``: from a picture to rows of the model, in order of similarity."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from django.db import models, router
from django.db.models import F, Window
from django.db.models.fields.files import FieldFile
from django.db.models.functions import RowNumber

from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.client.sources import ImageSource, read_image
from django_visualsnoop.collections import collections
from django_visualsnoop.common.search_options import COPIES
from django_visualsnoop.indexed import tracking
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.options import (
    all_indexed_fields,
    indexed_field,
    indexed_fields,
    is_indexed,
)
from django_visualsnoop.search.aliases import alias_in_ids, written_alias
from django_visualsnoop.search.expressions import ValueByKey

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.collections.results import ImageMatch
    from django_visualsnoop.common.search_options import SearchOptions
    from django_visualsnoop.engine.matching.placement import Placement
    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.querysets import VisualSnoopQuerySet

    Searchable: TypeAlias = models.Model | FieldFile | ImageSource | PILImage

#: The values of a ``FoundRow`` that annotate its row, after ``visualsnoop_``.
_ANNOTATED: dict[str, models.Field[Any, Any]] = {
    "rank": models.IntegerField(),
    "similarity": models.FloatField(),
    "relation": models.CharField(),
    "difference": models.FloatField(),
}
#: The annotation that limits the rows.
PLACE = "visualsnoop_place"

_QuerySet = TypeVar("_QuerySet", bound="VisualSnoopQuerySet[Any]")

#: The number of matches that one SQL statement ranks; if there are more, the filters are applied
#: first.
MAX_RANKED = 1000
#: A limit that no collection reaches. ``None`` would be the backend's own limit.
EVERY_MATCH = sys.maxsize


class FoundRow(NamedTuple):
    """A row that the search found."""

    key: Any
    rank: int
    similarity: float | None
    relation: str | None
    difference: float | None


def similar_to(
    queryset: _QuerySet,
    what: Searchable,
    options: SearchOptions,
    *,
    field: str | None = None,
) -> _QuerySet:
    """Return rows that look like ``what``, closest first.

    Args:
        queryset: the rows to search.
        what: see ``VisualSnoopQuerySet.similar_to()``.
        options: what to search for; they must have a limit, which counts rows.
        field: the image field to search; all indexed fields of the model if ``None``.
    """
    if options.limit is None:
        raise ValueError("limit must be at least 1, not None.")
    fields = fields_searched(queryset.model, field)
    query = _Query(what, field)
    if query.is_empty:
        return _ranked(queryset, [], options.limit)
    # Without filters, the best matches are enough; with filters, it is unknown which ones pass.
    few = not queryset.query.has_filters() and _alone_in_its_collection(fields)
    own = query.own_keys(fields[0])
    if own and fields[0].may_be_spelled_otherwise(queryset.db):
        queryset = queryset.exclude(pk__in=own)  # the row may format its key differently
    ids = ImageIds((field, written_alias(field, queryset)) for field in fields)
    best: dict[Any, FoundRow] = {}
    for alias in {field.collection for field in fields}:
        collection = collections[alias]
        collection.check_kind(options.kind)
        asked = replace(options, limit=MAX_RANKED if few else EVERY_MATCH)
        if options.kind != COPIES and not few and collection.supports_allowed:
            # Every image is more or less similar, so search only those that pass the filters.
            passing = queryset.order_by().values_list("pk", flat=True)
            asked = replace(asked, allowed=ids.in_collection(alias).build(passing))
        for match in query.search(collection, asked):
            parsed = ids.parse(match.image_id)
            if parsed is None or parsed.key in own:
                continue
            known = best.get(parsed.key)
            if known is None or match.rank < known.rank:
                best[parsed.key] = FoundRow(
                    parsed.key, match.rank, match.similarity, match.relation, match.difference
                )
    ranked = sorted(best.values(), key=lambda found: found.rank)
    if len(ranked) > MAX_RANKED:
        present = set(queryset.order_by().values_list("pk", flat=True))
        ranked = [found for found in ranked if found.key in present][:MAX_RANKED]
    return _ranked(queryset, ranked, options.limit)


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

    def __init__(self, what: Any, field: str | None) -> None:
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

    @property
    def is_empty(self) -> bool:
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

    def search(self, collection: BaseCollection, options: SearchOptions) -> list[ImageMatch]:
        """Return the matches of the collection.

        Args:
            collection: the collection to search.
            options: what to search for.
        """
        image_id = self._id_in(collection)
        if image_id is not None:
            try:
                return collection.search_images_by_id(image_id, options).matches
            except NotFoundError:
                pass  # not indexed yet, or never
        if self._bytes is None:
            self._bytes = _bytes_of(self._file)
        return collection.search_images(self._bytes, options).matches

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


def _alone_in_its_collection(fields: tuple[IndexedField, ...]) -> bool:
    aliases = {field.collection for field in fields}
    return sum(field.collection in aliases for field in all_indexed_fields()) == 1


def _ranked(queryset: _QuerySet, ranked: list[FoundRow], limit: int) -> _QuerySet:
    """Return the rows in order; the limit is a condition, so that callers can still add filters."""
    rows = queryset.filter(pk__in=[found.key for found in ranked]).annotate(
        **{
            f"visualsnoop_{name}": ValueByKey(
                tuple((found.key, getattr(found, name)) for found in ranked), output_field=output
            )
            for name, output in _ANNOTATED.items()
        }
    )
    if len(ranked) > limit:
        place = Window(RowNumber(), order_by=[F("visualsnoop_rank").asc(), F("pk").asc()])
        rows = rows.annotate(**{PLACE: place}).filter(**{f"{PLACE}__lte": limit})
    return rows.order_by("visualsnoop_rank", "pk")
