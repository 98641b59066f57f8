"""``VisualSnoopAdminMixin``: duplicates, similar rows and sync states in a model's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.admin import states
from django_visualsnoop.admin.choices import DELETE, PAGE, check_selection
from django_visualsnoop.admin.duplicate_check import DuplicateCheckAdminMixin
from django_visualsnoop.admin.duplicates_page import ACTION, DuplicatesPage
from django_visualsnoop.admin.notices import extend, never_indexed
from django_visualsnoop.admin.page import url_in_admin
from django_visualsnoop.admin.similar_page import SimilarPage
from django_visualsnoop.indexed.options import indexed_fields

if TYPE_CHECKING:
    from django.contrib.admin.sites import AdminSite
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class VisualSnoopAdminMixin(DuplicateCheckAdminMixin, _ModelAdmin):
    """List it before ``admin.ModelAdmin`` in the admin of a model with ``VisualSnoopMixin``.

    It adds the action *Find duplicates*, a page of similar rows for each row, and
    ``"visualsnoop_state"`` for ``list_display`` or ``readonly_fields``. It deletes nothing itself:
    it passes the rows to delete to Django's *delete selected* action, which asks for confirmation.
    Its forms warn of uploads that are there already; see ``DuplicateCheckAdminMixin``.
    """

    #: Groups per page of duplicates.
    visualsnoop_groups_per_page = 20
    #: Shown rows per group. Showing a row opens its file.
    visualsnoop_rows_per_group = 24
    #: Rows on the page of similar rows.
    visualsnoop_similar_limit = 24

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.actions is not None and ACTION not in self.actions:
            self.actions = [*self.actions, ACTION]

    def visualsnoop_thumbnail_url(self, obj: Any, field: str) -> str:
        """Return the URL of a small picture; override it to use a thumbnail library.

        Args:
            obj: the row.
            field: name of an image field that has a file.
        """
        url: str = getattr(obj, field).url
        return url

    @admin.display(description=_("image search"))
    def visualsnoop_state(self, obj: Any) -> SafeString:
        """The column that shows whether the row's pictures are in their collections."""
        return states.state_of(obj)

    @admin.action(description=_("Find duplicates"), permissions=["view"])
    def visualsnoop_find_duplicates(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """The action: show groups of copies, or pass the rows to delete to Django's action."""
        if DELETE in request.POST:
            return DuplicatesPage(self, request).confirm_deletion()
        across = request.POST.get("select_across") == "1"
        selection = request.POST.getlist(ACTION_CHECKBOX_NAME)
        return DuplicatesPage(self, request).show(
            queryset,
            page=request.POST.get(PAGE),
            selection=selection[:1] if across else selection,
            across=across,
        )

    def visualsnoop_duplicates_view(self, request: HttpRequest) -> HttpResponse:
        """Show the groups of copies among all rows that match the changelist's filters."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        filters = request.GET.copy()
        page = filters.pop(PAGE, [None])[-1]
        request.GET = filters  # type: ignore[assignment]  # the changelist treats each as a filter
        try:
            if any("\0" in value for _, values in filters.lists() for value in values):
                raise IncorrectLookupParameters
            rows = self.get_changelist_instance(request).get_queryset(request)
        # Django does not handle a database's errors for numbers that are too long.
        except (IncorrectLookupParameters, OverflowError, ValueError):
            return HttpResponseRedirect(f"{url_in_admin(self, 'changelist')}?{ERROR_FLAG}=1")
        return DuplicatesPage(self, request).show(
            rows, page=page, selection=[], across=True, links=True
        )

    def visualsnoop_similar_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the rows that look most similar to one row."""
        return SimilarPage(self, request).show(object_id)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_visualsnoop"
        view = self.admin_site.admin_view
        return [
            path(
                "duplicates/",
                view(self.visualsnoop_duplicates_view),
                name=f"{name}_duplicates",
            ),
            path(
                "<path:object_id>/similar/",
                view(self.visualsnoop_similar_view),
                name=f"{name}_similar",
            ),
            *super().get_urls(),
        ]

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
        check_selection(selected, self.opts.pk, using=queryset.db)
        return super().response_action(request, queryset, *args, **kwargs)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)
        changelist = (getattr(response, "context_data", None) or {}).get("cl")
        if changelist is None:  # the response of an action
            return response
        if "visualsnoop_state" in changelist.list_display:
            states.load(changelist.result_list)
        url = url_in_admin(self, "visualsnoop_duplicates")
        filters = changelist.get_query_string(remove=[PAGE_VAR, ALL_VAR])
        return extend(
            response,
            "change_list.html",
            visualsnoop_duplicates_url=url + filters,
            visualsnoop_notices=never_indexed(
                changelist.root_queryset._db or router.db_for_write(self.model),
                indexed_fields(self.model),
            ),
        )

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any | None = None,
    ) -> HttpResponse:
        response = super().render_change_form(request, context, add, change, form_url, obj)
        if obj is None or not any(getattr(obj, field.name) for field in indexed_fields(type(obj))):
            return response
        url = url_in_admin(self, "visualsnoop_similar", quote(obj.pk))
        return extend(response, "change_form.html", visualsnoop_similar_url=url)
