"""Filters of the changelist: by the state of the pictures in searches, and by copies."""

# ruff: noqa: ARG002 -- the arguments are Django's

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.indexed.key_expressions import filter_by_keys
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.outbox.record import SyncRecord, records_of
from django_visualsnoop.review.selecting import filter_with_copies

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest

_State = SyncRecord.State


class SearchStateFilter(admin.SimpleListFilter):
    """Filters rows by whether searches find their pictures."""

    title = _("image search")
    parameter_name = "visualsnoop_state"
    _STATES = {
        "found": ([_State.IN_SYNC], _("in search")),
        "waiting": ([_State.WAITING, _State.RETRYING], _("waiting")),
        "failed": ([_State.FAILED], _("failed")),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(name, label) for name, (_states, label) in self._STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self._STATES:
            return queryset
        states, _label = self._STATES[str(self.value())]
        condition = Q()
        for state in states:
            condition |= SyncRecord.in_state(state)
        if _State.IN_SYNC in states:
            condition &= Q(wanted=True)
        found = queryset.none()
        for field in indexed_fields(queryset.model):
            records = records_of(field, queryset.db).filter(condition)
            found |= filter_by_keys(queryset, records, "object_id", field.key_of)
        return found


class CopiesFilter(admin.SimpleListFilter):
    """Filters rows by whether they have copies that are to be reviewed."""

    title = _("copies")
    parameter_name = "visualsnoop_copies"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("has copies"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return filter_with_copies(queryset) if self.value() == "1" else queryset
