"""For Django REST framework: actions for searches, and uploads that are no duplicates.

Import this module only where Django REST framework is installed; nothing else does.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.common.search_options import COPY, SIMILAR, SearchOptions
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.search.similar import rank_rows
from django_visualsnoop.uploads.existing import fetch_rows, find_same_uploads, other_rows
from django_visualsnoop.uploads.locking import lock_uploads
from django_visualsnoop.uploads.upload import Upload
from django_visualsnoop.uploads.validators import CODE, NotADuplicate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_visualsnoop.indexed.options import IndexedField

__all__ = ["NotADuplicate", "SearchFailed", "VisualSnoopViewSetMixin"]

logger = logging.getLogger(__name__)


class SearchFailed(APIException):
    """The collection did not answer a search."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The search failed. Try again later."
    default_code = "search_failed"


class VisualSnoopViewSetMixin:
    """List it before the other bases of a viewset of an indexed model.

    It adds ``GET …/{pk}/similar/`` and ``GET …/{pk}/copies/``, which return rows of
    ``filter_queryset(get_queryset())`` as the serializer shows them, closest first.

    If a field of the serializer has the validator ``NotADuplicate``, a row is saved in a
    transaction that checks the file again. So of two requests with one file, the second is refused.
    """

    #: The largest number of rows of a search, at most 5,000.
    visualsnoop_limit = 20

    if TYPE_CHECKING:
        get_object: Callable[[], Any]
        get_queryset: Callable[[], Any]
        get_serializer: Callable[..., Any]
        filter_queryset: Callable[[Any], Any]

    @action(detail=True)
    def similar(self, request: Any, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002
        """Return the rows that look like one row, copies first."""
        return self._search(SearchOptions(self.visualsnoop_limit, kind=SIMILAR))

    @action(detail=True)
    def copies(self, request: Any, *args: Any, **kwargs: Any) -> Response:  # noqa: ARG002
        """Return the rows whose pictures are copies of one row's."""
        return self._search(SearchOptions(self.visualsnoop_limit, relations=(COPY,)))

    def perform_create(self, serializer: Any) -> None:
        _save(serializer, super().perform_create)  # type: ignore[misc]

    def perform_update(self, serializer: Any) -> None:
        _save(serializer, super().perform_update)  # type: ignore[misc]

    def _search(self, options: SearchOptions) -> Response:
        row = self.get_object()
        try:
            found = rank_rows(self.filter_queryset(self.get_queryset()), row, options)
            return Response(self.get_serializer(found, many=True).data)
        except VisualSnoopError as error:
            logger.warning("A search for pictures like %r failed.", row, exc_info=error)
            raise SearchFailed from error


def _save(serializer: Any, save: Callable[[Any], None]) -> None:
    """Save what a serializer has checked, unless another request has saved the same file since."""
    uploads = list(_checked_uploads(serializer))
    if not uploads:
        save(serializer)
        return
    using = router.db_for_write(serializer.Meta.model)
    with transaction.atomic(using=using):
        lock_uploads([upload.digest for _, upload, _ in uploads], using=using)
        for field, upload, validator in uploads:
            row = serializer.instance
            own = None if row is None else getattr(row, field.key.attname)
            rows = other_rows(field, own=own, using=using)
            if fetch_rows(rows, find_same_uploads(rows, upload, [field]), 1):
                raise serializers.ValidationError({field.name: [validator.message]}, CODE)
        save(serializer)


def _checked_uploads(serializer: Any) -> Iterator[tuple[IndexedField, Upload, NotADuplicate]]:
    """Yield the new files in fields that have the validator."""
    for field in indexed_fields(serializer.Meta.model):
        for one in serializer.fields.values():
            validators = [v for v in one.validators if isinstance(v, NotADuplicate)]
            file = serializer.validated_data.get(field.name)
            if one.source == field.name and validators and file:
                yield field, Upload.of(file), validators[0]
