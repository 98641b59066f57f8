"""Which groups a page of duplicates shows: the filters of the changelist, and our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.http import HttpResponseRedirect

from django_visualsnoop.admin.page import url_in_admin
from django_visualsnoop.review.record import ReviewGroup, list_groups
from django_visualsnoop.review.selecting import select_containing

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, QueryDict

    from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin
    from django_visualsnoop.review.record import ReviewSearch

#: Parameters of the URLs.
PAGE = "visualsnoop_page"
TAB = "visualsnoop_tab"
SELECTION = "visualsnoop_selection"


class ReviewQuery(NamedTuple):
    """What the URL of a page says."""

    #: Rows that pass the filters of the changelist; ``None`` without filters.
    rows: QuerySet[Any] | None
    selection: str
    #: The state of the groups to list.
    state: str
    #: Number of the page, unchecked.
    page: str | None
    #: The parameters of the changelist and the selection, for other URLs.
    kept: QueryDict

    def build_url(self, url: str, **more: object) -> str:
        """Return the URL of another page with the same filters."""
        data = self.kept.copy()
        for name, value in more.items():
            data[name] = str(value)
        return f"{url}?{data.urlencode()}" if data else url

    def build_changelist_url(self, url: str) -> str:
        """Return the URL of the changelist with the same filters."""
        data = self.kept.copy()
        data.pop(SELECTION, None)
        return f"{url}?{data.urlencode()}" if data else url

    def select_groups(
        self, search: ReviewSearch, model_admin: VisualSnoopAdminMixin, request: HttpRequest
    ) -> QuerySet[ReviewGroup]:
        """Return the groups, in every state, that pass the filters and that the user may see."""
        groups = list_groups(search)
        if self.selection:
            groups = groups.filter(selection=self.selection)
        visible = model_admin.get_queryset(request)
        if visible.query.has_filters():
            groups = select_containing(groups, visible, least=2)
        return groups if self.rows is None else select_containing(groups, self.rows)


def read_query(
    model_admin: VisualSnoopAdminMixin, request: HttpRequest
) -> ReviewQuery | HttpResponseRedirect:
    """Read the URL of a page; redirect to the changelist if its filters are not valid."""
    data = request.GET.copy()
    page = data.pop(PAGE, [None])[-1]
    tab = data.pop(TAB, [""])[-1]
    selection = data.pop(SELECTION, [""])[-1][:16]
    kept = data.copy()
    if selection:
        kept[SELECTION] = selection
    original, request.GET = request.GET, data  # type: ignore[assignment]  # each is a filter
    try:
        if (
            any("\0" in value for _, values in data.lists() for value in values)
            or "\0" in selection
        ):
            raise IncorrectLookupParameters
        rows = model_admin.get_changelist_instance(request).get_queryset(request) if data else None
    # Django does not handle a database's errors for numbers that are too long.
    except (IncorrectLookupParameters, OverflowError, ValueError):
        return HttpResponseRedirect(f"{url_in_admin(model_admin, 'changelist')}?{ERROR_FLAG}=1")
    finally:
        request.GET = original
    state = tab if tab in ReviewGroup.State.values else ReviewGroup.State.OPEN.value
    return ReviewQuery(rows, selection, state, page, kept)
