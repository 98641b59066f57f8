"""Select groups by the rows that they contain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count

from django_visualsnoop.indexed.key_expressions import filter_by_keys, match_keys
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.review.record import ReviewGroup, ReviewMember, find_review_search

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_visualsnoop.review.record import ReviewSearch


def select_containing(
    groups: QuerySet[ReviewGroup], rows: QuerySet[Any], least: int = 1
) -> QuerySet[ReviewGroup]:
    """Return the groups that contain at least so many of some rows.

    Args:
        groups: the groups.
        rows: the rows, in the same database.
        least: the number of rows.
    """
    members = ReviewMember.objects.using(rows.db).filter(group__in=groups.order_by().values("pk"))
    members = match_keys(members, "object_id", rows, indexed_fields(rows.model)[0].key_of)
    if least == 1:
        return groups.filter(pk__in=members.values("group"))
    counted = members.values("group").annotate(count=Count("pk")).filter(count__gte=least)
    return groups.filter(pk__in=counted.values("group"))


def filter_with_copies(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the rows that are in a group that is to be reviewed."""
    search: ReviewSearch | None = find_review_search(rows.model, rows.db)
    if search is None:
        return rows.none()
    members = ReviewMember.objects.using(rows.db).filter(
        group__search=search, group__state=ReviewGroup.State.OPEN
    )
    return filter_by_keys(rows, members, "object_id", indexed_fields(rows.model)[0].key_of)
