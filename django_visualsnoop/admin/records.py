"""Sync records in the admin: view and retry them."""

# ruff: noqa: ARG002 -- the arguments are Django's

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.db import router
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_visualsnoop.admin.notices import extend, never_indexed
from django_visualsnoop.admin.selection import check_selection
from django_visualsnoop.admin.states import reason_html, state_html
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import retry_failed

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    _ModelAdmin = admin.ModelAdmin[SyncRecord]
else:
    _ModelAdmin = admin.ModelAdmin


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(SyncRecord.State.choices)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[SyncRecord]
    ) -> QuerySet[SyncRecord]:
        state = self.value()
        if state not in SyncRecord.State.values:
            return queryset
        return queryset.filter(SyncRecord.in_state(SyncRecord.State(state)))


@admin.register(SyncRecord)
class SyncRecordAdmin(_ModelAdmin):
    """Read-only, because sync records follow their rows."""

    list_display = ("image_id", "collection", "state", "why", "requested_at")
    list_filter = (StateFilter, "collection", "model")
    search_fields = ("=object_id", "image_id")
    search_help_text = _("Search by the key of a row or by part of an image id.")
    ordering = ("-requested_at", "pk")
    show_full_result_count = False
    actions = ("try_again",)
    fields = (
        ("collection", "image_id"),
        ("model", "field", "object_id"),
        "row",
        "state",
        "reason",
        ("attempts", "due_at", "leased_until"),
        ("requested_at", "synced_at"),
        ("name", "digest"),
    )
    readonly_fields = ("row", "state")

    class Media:
        css = {"all": ["visualsnoop/admin.css"]}

    @admin.display(description=_("state"))
    def state(self, record: SyncRecord) -> SafeString:
        return format_html(
            '<div class="visualsnoop-state">{}</div>', state_html(record, str(record.state.label))
        )

    @admin.display(description=_("reason"))
    def why(self, record: SyncRecord) -> SafeString:
        return reason_html(record)

    @admin.display(description=_("row"))
    def row(self, record: SyncRecord) -> str:
        """Link to the row, if the admin has its model."""
        try:
            url = reverse(
                f"admin:{record.model.replace('.', '_')}_change",
                args=[quote(record.object_id)],
                current_app=self.admin_site.name,
            )
        except NoReverseMatch:
            return record.object_id
        return format_html('<a href="{}">{} {}</a>', url, record.model, record.object_id)

    @admin.action(description=_("Try again"), permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[SyncRecord]) -> None:
        count = retry_failed(queryset)
        message = ngettext(
            "%(count)d failed record will be retried.",
            "%(count)d failed records will be retried.",
            count,
        )
        level = messages.SUCCESS if count else messages.INFO
        self.message_user(request, message % {"count": count}, level)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        if "cl" not in (getattr(response, "context_data", None) or {}):  # the response of an action
            return response
        using = router.db_for_write(SyncRecord)
        return extend(response, "notices.html", visualsnoop_notices=never_indexed(using))

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[SyncRecord], *args: Any, **kwargs: Any
    ) -> Any:
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        check_selection(selected, self.opts.pk, using=queryset.db)
        return super().response_action(request, queryset, *args, **kwargs)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
