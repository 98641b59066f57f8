"""The list of groups of copies: what is to be reviewed, and what was decided."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.paginator import Paginator
from django.db.models import Count, Sum
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.admin.members import read_members
from django_visualsnoop.admin.page import SEARCH_ERRORS, AdminPage
from django_visualsnoop.admin.review_query import PAGE, TAB
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.common.clustering import SURE
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.outbox.record import SyncRecord, records_of
from django_visualsnoop.review.record import ReviewGroup, find_review_search
from django_visualsnoop.review.search import (
    count_changes,
    find_groups,
    request_search,
    search_within,
)
from django_visualsnoop.review.storing import add_groups

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

    from django_visualsnoop.admin.cards import Card
    from django_visualsnoop.admin.review_query import ReviewQuery
    from django_visualsnoop.review.record import ReviewMember

_State = ReviewGroup.State
#: Shown rows of each group in the list.
_CARDS = 6
#: A search that has waited so long finds no worker.
_PATIENCE = timedelta(minutes=1)


class ListedGroup(NamedTuple):
    """A group in the list."""

    group: ReviewGroup
    cards: list[Card]
    url: str
    is_sure: bool

    @property
    def hidden(self) -> int:
        return self.group.size - len(self.cards)


class Tab(NamedTuple):
    """A link to the groups in one state."""

    name: Any
    group_count: int
    url: str
    is_current: bool


class DuplicatesPage(AdminPage):
    def show(self, query: ReviewQuery) -> HttpResponse:
        """Show a page of groups; search first if nobody has.

        Args:
            query: what the URL says.
        """
        using = self.model_admin.get_queryset(self.request).db
        search = find_review_search(self.model, using)
        if search is None or (search.found_at is None and not search.is_active):
            try:
                search = search_within(self.model, _build_budget(), using=using)
            except SEARCH_ERRORS as error:
                url = query.build_changelist_url(self.url("changelist"))
                return self.redirect_with_error(error, url)
        groups = query.select_groups(search, self.model_admin, self.request)
        counts = _count(groups)
        paginator = Paginator(
            groups.filter(state=query.state), self.model_admin.visualsnoop_groups_per_page
        )
        # The counts of all states have it already.
        paginator.count = counts.get(query.state, 0)
        current = paginator.get_page(query.page)
        found = list(current.object_list)
        rows = read_members(self.model_admin, self.request, found)
        is_open = query.state == _State.OPEN
        shown = [
            self._build_group(group, rows[group.pk], query)
            for group in found
            if len(rows[group.pk]) >= (2 if is_open else 1) or group.resolution_id is not None
        ]
        url = self.url("visualsnoop_duplicates")
        done = groups.filter(decided_at__gte=search.found_at).count() if search.found_at else 0
        first = groups.filter(state=_State.OPEN).first() if counts.get(_State.OPEN) else None
        context = {
            "title": _("Duplicate %(name)s") % {"name": self.opts.verbose_name_plural},
            "crumb": _("Duplicates"),
            "search": search,
            "changes": count_changes(search) if search.found_at else None,
            "is_late": search.is_active
            and search.heartbeat_at is None
            and timezone.now() - search.requested_at > _PATIENCE,
            "command": f"python manage.py visualsnoop_duplicates --review {self.opts.label}",
            "groups": shown,
            "page": current,
            "page_numbers": list(paginator.get_elided_page_range(current.number)),
            "page_url": query.build_url(url, **{TAB: query.state, PAGE: ""}),
            "tabs": [
                Tab(
                    state.label,
                    counts.get(state.value, 0),
                    query.build_url(url, **({} if state == _State.OPEN else {TAB: state.value})),
                    state == query.state,
                )
                for state in _State
            ],
            "is_open": is_open,
            "done": done,
            "total": done + counts.get(_State.OPEN, 0),
            "free_bytes": groups.filter(state=_State.OPEN).aggregate(sum=Sum("free_bytes"))["sum"],
            "first_url": first and self.group_url(first, query),
            "waiting": count_waiting(self.model, using),
            "is_filtered": query.rows is not None or bool(query.selection),
            "url": url,
            "search_url": query.build_url(self.url("visualsnoop_search")),
            "resolve_url": query.build_url(self.url("visualsnoop_resolve")),
            "can_resolve": is_open
            and self.model_admin.has_delete_permission(self.request)
            and any(one.is_sure for one in shown),
        }
        return self.render("duplicates.html", context)

    def search(self, query: ReviewQuery) -> HttpResponse:
        """Search again, and show the groups."""
        using = self.model_admin.get_queryset(self.request).db
        url = query.build_url(self.url("visualsnoop_duplicates"))
        try:
            search_within(self.model, _build_budget(), using=using)
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, url)
        return HttpResponseRedirect(url)

    def search_for(self, rows: QuerySet[Any]) -> HttpResponse:
        """Search for copies of some rows, and show the groups that contain one of them."""
        url = self.url("visualsnoop_duplicates")
        try:
            search = find_review_search(self.model, rows.db)
            if search is None or search.found_at is None:
                search = search_within(self.model, _build_budget(), using=rows.db)
            budget = _build_budget()
            groups = find_groups(self.model, rows.db, budget, of=rows)
            selection = add_groups(search, groups)
            if not groups.complete:
                request_search(self.model, using=rows.db)
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, self.url("changelist"))
        return HttpResponseRedirect(f"{url}?visualsnoop_selection={selection}")

    def _build_group(
        self, group: ReviewGroup, members: list[tuple[ReviewMember, Model]], query: ReviewQuery
    ) -> ListedGroup:
        cards = [
            self.card(row, member.similarity, member.field) for member, row in members[:_CARDS]
        ]
        is_sure = group.similarity is not None and group.similarity >= SURE
        return ListedGroup(group, cards, self.group_url(group, query), is_sure)


def _build_budget() -> Budget:
    """Return the work that a request may do; a task does the rest."""
    return Budget(looks=100, looking_seconds=3.0)


def count_waiting(model: type[Model], using: str) -> int:
    """Return how many pictures of a model are not compared, because no worker has indexed them."""
    return sum(
        records_of(field, using).filter(SyncRecord.in_progress()).count()
        for field in indexed_fields(model)
    )


def _count(groups: QuerySet[ReviewGroup]) -> dict[str, int]:
    counted = groups.order_by().values("state").annotate(count=Count("pk"))
    return {one["state"]: one["count"] for one in counted}
