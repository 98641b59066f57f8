"""``{% load visualsnoop %}``: similar rows and copies, for templates."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings
from django.db import models

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.search_options import COPY, SIMILAR, SearchOptions
from django_visualsnoop.common.transactions import savepoint_if_open
from django_visualsnoop.indexed.options import is_indexed
from django_visualsnoop.search.similar import rank_rows

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

register = template.Library()

#: How many rows the tags return if the template names no limit.
DEFAULT_LIMIT = 6


@register.simple_tag
def similar_images(
    row: Any, *, limit: int = DEFAULT_LIMIT, field: str | None = None, **more: Any
) -> list[Any]:
    """Return the rows that look like a row, copies first.

    ::

        {% similar_images product limit=6 as items %}
        {% similar_images product in=shop.products.all as items %}

    Args:
        row: a saved row of an indexed model.
        limit: the largest number of rows, at most 5,000.
        field: the image field to search; all indexed fields of the model if not given.
        in: a QuerySet or manager of the rows to search; the model's default manager if not given.

    Returns:
        The rows, as ``similar_to()`` annotates them. None for a row whose picture is not in the
        collection yet, and none if the search fails: then the error is logged.
    """
    return _search(row, lambda: SearchOptions(limit, kind=SIMILAR), field, more)


@register.simple_tag
def copies(
    row: Any, *, limit: int = DEFAULT_LIMIT, field: str | None = None, **more: Any
) -> list[Any]:
    """Return the rows whose pictures are copies of a row's; see ``similar_images()``."""
    return _search(row, lambda: SearchOptions(limit, relations=(COPY,)), field, more)


def _search(
    row: Any, build_options: Callable[[], SearchOptions], field: str | None, more: dict[str, Any]
) -> list[Any]:
    try:
        queryset = _read_rows(row, more)
        with savepoint_if_open(using=queryset.db):
            return list(rank_rows(queryset, row, build_options(), field=field, stored_only=True))
    except (TypeError, ValueError) as error:
        if settings.DEBUG:
            raise  # a mistake in the template: its author shall see it
        _log(row, error)
    except Exception as error:
        if is_interruption(error):
            raise
        _log(row, error)
    return []


def _read_rows(row: Any, more: dict[str, Any]) -> Any:
    """Return the QuerySet to search.

    Raises:
        TypeError: an argument is unknown, or of another type.
    """
    rows = more.pop("in", None)
    if more:
        raise TypeError(f"Unknown argument {next(iter(more))!r}. Known: limit, field, in.")
    if not isinstance(row, models.Model) or not is_indexed(type(row)):
        raise TypeError(f"Give a row of an indexed model, not {type(row).__name__}.")
    if rows is None:
        return type(row)._default_manager.all()
    if isinstance(rows, models.Manager):
        return rows.all()
    if isinstance(rows, models.QuerySet):
        return rows
    raise TypeError(f"in must be a QuerySet or a manager, not {type(rows).__name__}.")


def _log(row: object, error: Exception) -> None:
    logger.warning(
        "A template tag could not search for pictures like that of a %s.",
        type(row).__name__,
        exc_info=error,
    )
