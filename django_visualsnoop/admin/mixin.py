"""``VisualSnoopAdminMixin``: duplicates, similar rows and sync states in a model's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ALL_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db import connections, router
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.admin import states
from django_visualsnoop.admin.checks import check_options, check_pictures
from django_visualsnoop.admin.copies import KnownCopies
from django_visualsnoop.admin.duplicate_check import DuplicateCheckAdminMixin
from django_visualsnoop.admin.duplicates_page import DuplicatesPage
from django_visualsnoop.admin.filters import CopiesFilter, SearchStateFilter
from django_visualsnoop.admin.notices import extend, never_indexed
from django_visualsnoop.admin.page import url_in_admin
from django_visualsnoop.admin.resolve_page import ResolvePage
from django_visualsnoop.admin.review_page import ReviewPage
from django_visualsnoop.admin.review_query import ReviewQuery, read_query
from django_visualsnoop.admin.selection import check_selection
from django_visualsnoop.admin.similar_page import SimilarPage
from django_visualsnoop.common.non_atomic import without_atomic_requests
from django_visualsnoop.common.proposals import DEFAULT_RULE
from django_visualsnoop.indexed.options import indexed_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.admin.sites import AdminSite
    from django.core.checks import CheckMessage
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    from django_visualsnoop.common.proposals import Criterion

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

#: Name of the action.
ACTION = "visualsnoop_find_duplicates"


class VisualSnoopAdminMixin(DuplicateCheckAdminMixin, _ModelAdmin):
    """List it before ``admin.ModelAdmin`` in the admin of a model with ``VisualSnoopMixin``.

    It adds the action *Find duplicates* with pages that review groups of copies, a page of similar
    rows for each row, two filters, and ``"visualsnoop_state"`` for ``list_display`` or
    ``readonly_fields``.
    Its forms warn of uploads that are there already; see ``DuplicateCheckAdminMixin``.
    """

    #: Groups per page of the list of duplicates.
    visualsnoop_groups_per_page = 20
    #: Shown rows per group. Showing a row opens its file.
    visualsnoop_rows_per_group = 24
    #: Rows on the page of similar rows.
    visualsnoop_similar_limit = 24
    #: Names of columns, as in ``list_display``, that the review page compares; ``None`` for those
    #: of the changelist.
    visualsnoop_review_fields: Sequence[str] | None = None
    #: The field that tells how old a row is; the first with ``auto_now_add`` if ``None``.
    visualsnoop_date_field: str | None = None
    #: What the proposal prefers, the most important first; see ``review.proposals``.
    visualsnoop_keep_rule: Sequence[str | Criterion] = DEFAULT_RULE
    #: For how many days a resolved group can be restored; not at all if 0.
    visualsnoop_undo_days = 30
    #: Whether the files of removed rows are deleted after that time.
    visualsnoop_delete_files = False
    #: Filters that are added to ``list_filter``.
    visualsnoop_list_filters: Sequence[Any] = (SearchStateFilter, CopiesFilter)

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.actions is not None and ACTION not in self.actions:
            self.actions = [*self.actions, ACTION]

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *check_options(self), *check_pictures(self)]

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

    def visualsnoop_change_url(self, obj: Any) -> str:
        """Return the URL of the row's page."""
        return url_in_admin(self, "change", quote(obj.pk))

    def visualsnoop_remove(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Remove rows of a resolved group, after what is related to them has moved.

        Override it to do something else than delete them, for example to hide or to archive them.
        """
        every = self.model._base_manager.using(rows[0]._state.db)
        removed = every.filter(pk__in=[row.pk for row in rows])
        self.log_deletions(request, removed)
        self.delete_queryset(request, removed)

    @admin.action(description=_("Find duplicates"), permissions=["view"])
    def visualsnoop_find_duplicates(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """The action: show the groups of copies with one of the selected rows."""
        if request.POST.get("select_across") == "1":
            filters = request.GET.urlencode()
            url = url_in_admin(self, "visualsnoop_duplicates")
            return HttpResponseRedirect(f"{url}?{filters}" if filters else url)
        if connections[queryset.db].settings_dict["ATOMIC_REQUESTS"]:
            # Searching has transactions of its own, so the browser sends the form there.
            url = url_in_admin(self, "visualsnoop_selected")
            return HttpResponseRedirect(url, preserve_request=True)
        return DuplicatesPage(self, request).search_for(queryset)

    def visualsnoop_selected_view(self, request: HttpRequest) -> HttpResponse:
        """Show the groups of copies with one of the rows that the form selects."""

        def search(_query: ReviewQuery) -> HttpResponse:
            rows = self.get_queryset(request)
            selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
            check_selection(selected, self.opts.pk, using=rows.db)
            return DuplicatesPage(self, request).search_for(rows.filter(pk__in=selected))

        return self._visualsnoop_answer(request, post=search)

    def visualsnoop_duplicates_view(self, request: HttpRequest) -> HttpResponse:
        """Show the groups of copies among the rows that match the changelist's filters."""
        return self._visualsnoop_answer(
            request, get=lambda query: DuplicatesPage(self, request).show(query)
        )

    def visualsnoop_search_view(self, request: HttpRequest) -> HttpResponse:
        """Search for duplicates again."""
        return self._visualsnoop_answer(
            request, post=lambda query: DuplicatesPage(self, request).search(query)
        )

    def visualsnoop_review_view(self, request: HttpRequest, group: int) -> HttpResponse:
        """Show a group, or decide on it."""
        page = ReviewPage(self, request)
        return self._visualsnoop_answer(
            request,
            get=lambda query: page.answer(page.show, group, query),
            post=lambda query: page.answer(page.decide, group, query),
        )

    def visualsnoop_reopen_view(self, request: HttpRequest, group: int) -> HttpResponse:
        """Take the decision on a group back."""
        page = ReviewPage(self, request)
        return self._visualsnoop_answer(
            request, post=lambda query: page.answer(page.reopen, group, query)
        )

    def visualsnoop_resolve_view(self, request: HttpRequest) -> HttpResponse:
        """Resolve several groups by the proposals."""
        page = ResolvePage(self, request)
        return self._visualsnoop_answer(request, post=page.resolve)

    def _visualsnoop_answer(
        self,
        request: HttpRequest,
        *,
        get: Callable[[ReviewQuery], HttpResponse] | None = None,
        post: Callable[[ReviewQuery], HttpResponse] | None = None,
    ) -> HttpResponse:
        """Answer with the function for the method, if the user may see rows."""
        answer = {"GET": get, "HEAD": get, "POST": post}.get(request.method or "")
        if answer is None:
            allowed = [*(["GET", "HEAD"] if get else []), *(["POST"] if post else [])]
            return HttpResponseNotAllowed(allowed)
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = read_query(self, request)
        return answer(query) if isinstance(query, ReviewQuery) else query

    def visualsnoop_similar_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the rows that look most similar to one row."""
        return SimilarPage(self, request).show(object_id)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_visualsnoop"
        view = self.admin_site.admin_view
        # Searching and resolving have transactions of their own.
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("duplicates/", self.visualsnoop_duplicates_view, "duplicates"),
            ("duplicates/search/", self.visualsnoop_search_view, "search"),
            ("duplicates/selected/", self.visualsnoop_selected_view, "selected"),
            ("duplicates/resolve/", self.visualsnoop_resolve_view, "resolve"),
            ("duplicates/<int:group>/", self.visualsnoop_review_view, "review"),
            ("duplicates/<int:group>/undo/", self.visualsnoop_reopen_view, "reopen"),
        ]
        return [
            *(
                path(route, without_atomic_requests(view(page)), name=f"{name}_{ending}")
                for route, page, ending in pages
            ),
            path(
                "<path:object_id>/similar/",
                view(self.visualsnoop_similar_view),
                name=f"{name}_similar",
            ),
            *super().get_urls(),
        ]

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return [*filters, *(one for one in self.visualsnoop_list_filters if one not in filters)]

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
        return extend(
            response,
            "change_form.html",
            visualsnoop_similar_url=url,
            **KnownCopies(self, request).read(obj),
        )
