"""``VisualSnoopAdminMixin``: duplicates, similar rows and sync states in a model's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR
from django.core.exceptions import (
    ImproperlyConfigured,
    PermissionDenied,
    SuspiciousOperation,
    ValidationError,
)
from django.core.paginator import Paginator
from django.db import router
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_visualsnoop.admin import states
from django_visualsnoop.admin.cards import Card, ShownGroup
from django_visualsnoop.admin.choices import (
    DELETE,
    KEEP,
    MEMBERS,
    PAGE,
    check_selection,
    others,
    read_choices,
)
from django_visualsnoop.admin.notices import TEMPLATES, extend, never_indexed
from django_visualsnoop.admin.pictures import field_to_show, look_at
from django_visualsnoop.admin.troubles import plain_words
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.indexed.keys import read_key
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.search.duplicates import find_duplicates
from django_visualsnoop.search.similar import similar_to

if TYPE_CHECKING:
    from django.contrib.admin.sites import AdminSite
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern
    from django.utils.safestring import SafeString

    from django_visualsnoop.search.duplicates import DuplicateGroup, DuplicateGroups

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

ACTION = "visualsnoop_find_duplicates"

#: Errors of a search that are shown as a message instead of an error page. OSError includes
#: VisualSnoopError, missing files, and storages that do not answer.
_SEARCH_ERRORS = (OSError, ImproperlyConfigured, SuspiciousOperation)


class VisualSnoopAdminMixin(_ModelAdmin):
    """List it before ``admin.ModelAdmin`` in the admin of a model with ``VisualSnoopMixin``.

    It adds the action *Find duplicates*, a page of similar rows for each row, and
    ``"visualsnoop_state"`` for ``list_display`` or ``readonly_fields``. It deletes nothing itself:
    it passes the rows to delete to Django's *delete selected* action, which asks for confirmation.
    """

    #: Groups per page of duplicates.
    visualsnoop_groups_per_page = 20
    #: Shown rows per group. Showing a row opens its file.
    visualsnoop_rows_per_group = 24
    #: Rows on the page of similar rows.
    visualsnoop_similar_limit = 24

    class Media:
        css = {"all": ["visualsnoop/admin.css"]}

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
            return self._visualsnoop_hand_over(request)
        across = request.POST.get("select_across") == "1"
        selection = request.POST.getlist(ACTION_CHECKBOX_NAME)
        return self._visualsnoop_duplicates(
            request,
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
            return HttpResponseRedirect(f"{self._visualsnoop_url('changelist')}?{ERROR_FLAG}=1")
        return self._visualsnoop_duplicates(
            request, rows, page=page, selection=[], across=True, links=True
        )

    def visualsnoop_similar_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the rows that look most similar to one row."""
        row = self._visualsnoop_row(request, object_id)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            response = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                request, self.opts, object_id
            )
            assert isinstance(response, HttpResponseRedirect)
            return response
        try:
            found = list(
                similar_to(
                    self.get_queryset(request),  # type: ignore[type-var]
                    row,
                    field=None,
                    limit=self.visualsnoop_similar_limit,
                    min_similarity=None,
                )
            )
        except _SEARCH_ERRORS as error:
            return self._visualsnoop_explain(request, error, self._visualsnoop_change_url(row))
        context = {
            "title": _("Similar to %(name)s") % {"name": row},
            "crumb": _("Similar"),
            "original": self._visualsnoop_card(row),
            "cards": [
                self._visualsnoop_card(other, similarity=other.visualsnoop_similarity)
                for other in found
            ],
        }
        return self._visualsnoop_page(request, "similar.html", context)

    def _visualsnoop_row(self, request: HttpRequest, object_id: str) -> Any | None:
        key = unquote(object_id)
        try:
            read_key(self.opts.pk, key, self.get_queryset(request).db)
        except ValidationError:
            return None
        return self.get_object(request, key)

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
        url = self._visualsnoop_url("visualsnoop_duplicates")
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
        url = self._visualsnoop_url("visualsnoop_similar", quote(obj.pk))
        return extend(response, "change_form.html", visualsnoop_similar_url=url)

    def _visualsnoop_duplicates(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        *,
        page: str | None,
        selection: list[str],
        across: bool,
        links: bool = False,
    ) -> HttpResponse:
        # Without filters, the search does not need a list of all rows.
        everything = across and not rows.query.has_filters()
        changelist_url = self._visualsnoop_url("changelist")
        filters = request.GET.urlencode()
        filtered_url = f"{changelist_url}?{filters}" if filters else changelist_url
        try:
            groups: DuplicateGroups[Any] = find_duplicates(
                self.get_queryset(request),  # type: ignore[arg-type]
                of=None if everything else rows,
                field=None,
                min_similarity=None,
                budget=Budget(),
            )
        except _SEARCH_ERRORS as error:
            return self._visualsnoop_explain(request, error, filtered_url)
        paginator = Paginator(groups, self.visualsnoop_groups_per_page)
        current = paginator.get_page(page)
        found = list(current.object_list)
        keys = {row.pk for group in found for row in group}
        selected = (
            set()
            if everything
            else set(rows.order_by().filter(pk__in=keys).values_list("pk", flat=True))
        )
        shown = [
            self._visualsnoop_group(number, group, selected)
            for number, group in enumerate(found, current.start_index())
        ]
        context = {
            "title": _("Duplicate %(name)s") % {"name": self.opts.verbose_name_plural},
            "crumb": _("Duplicates"),
            "groups": shown,
            "page": current,
            "page_numbers": list(paginator.get_elided_page_range(current.number)),
            "page_links": links,
            "group_count": len(groups),
            "complete": groups.complete,
            "command": f"python manage.py visualsnoop_duplicates {self.opts.label}",
            "mark_selected": bool(selected),
            "across": across,
            # Django requires at least one selected key, even for "select across".
            "selection": selection or [card.key for group in shown for card in group.cards][:1],
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "action": ACTION,
            "can_delete": self._visualsnoop_delete_action(request) is not None,
            # A copy may not match the filters, so Django's confirmation must not apply them.
            "changelist_url": changelist_url,
            "filtered_url": filtered_url,
            "filters": filters,
            "names": {"page": PAGE, "delete": DELETE, "members": MEMBERS, "keep": KEEP},
        }
        return self._visualsnoop_page(request, "duplicates.html", context)

    def _visualsnoop_group(
        self, number: int, group: DuplicateGroup[Any], selected: set[Any]
    ) -> ShownGroup:
        limit = self.visualsnoop_rows_per_group
        members = sorted(group.members, key=lambda member: member.row.pk not in selected)[:limit]
        cards = [
            self._visualsnoop_card(
                member.row, member.similarity, member.field, member.row.pk in selected
            )
            for member in members
        ]
        return ShownGroup(number, cards, len(group))

    def _visualsnoop_hand_over(self, request: HttpRequest) -> HttpResponse | None:
        """Pass the rows to delete to Django's action, which asks for confirmation."""
        delete_selected = self._visualsnoop_delete_action(request)
        if delete_selected is None:
            raise PermissionDenied
        if "post" in request.POST:  # only Django's confirmation page sends it, to its own action
            raise SuspiciousOperation("The page of duplicates cannot confirm a deletion.")
        rows = self.get_queryset(request)
        limit = self.visualsnoop_groups_per_page * self.visualsnoop_rows_per_group
        choices = read_choices(request.POST, self.opts.pk, limit=limit, using=rows.db)
        keys = {key for choice in choices for key in choice.members}
        present = set(rows.order_by().filter(pk__in=keys).values_list("pk", flat=True))
        left, gone = others(choices, present)
        if gone:
            message = ngettext(
                "Skipped %(count)d group: the picture to keep no longer exists.",
                "Skipped %(count)d groups: the pictures to keep no longer exist.",
                gone,
            )
            self.message_user(request, message % {"count": gone}, messages.WARNING)
        if not left:
            self.message_user(request, _("All pictures are kept."), messages.INFO)
            return None
        response: HttpResponse | None = delete_selected(self, request, rows.filter(pk__in=left))
        return response

    def _visualsnoop_delete_action(self, request: HttpRequest) -> Any | None:
        """Return Django's action, or ``None`` if the user may not use it or it is disabled."""
        action: Any = self.get_actions(request).get("delete_selected")
        if action is None or not self.has_delete_permission(request):
            return None
        return action[0] if isinstance(action, tuple) else action.func

    def _visualsnoop_card(
        self,
        row: Any,
        similarity: float | None = None,
        matched: str | None = None,
        is_selected: bool = False,
    ) -> Card:
        field = field_to_show(row, matched)
        picture = look_at(row, field, self.visualsnoop_thumbnail_url)
        return Card(row, picture, self._visualsnoop_change_url(row), similarity, is_selected)

    def _visualsnoop_page(
        self, request: HttpRequest, template: str, context: dict[str, Any]
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"{TEMPLATES}/{template}",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "media": self.media,
                "breadcrumb_list": django.VERSION >= (6, 1),
                **context,
            },
        )

    def _visualsnoop_explain(
        self, request: HttpRequest, error: Exception, url: str
    ) -> HttpResponseRedirect:
        self.message_user(request, plain_words(error), messages.ERROR)
        return HttpResponseRedirect(url)

    def _visualsnoop_change_url(self, row: Model) -> str:
        return self._visualsnoop_url("change", quote(row.pk))

    def _visualsnoop_url(self, name: str, *args: str) -> str:
        return reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}",
            args=args,
            current_app=self.admin_site.name,
        )
