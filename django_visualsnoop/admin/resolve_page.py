"""Resolve all sure groups of a page of the list by the proposals, after a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_visualsnoop.admin.members import MemberReader, read_members
from django_visualsnoop.admin.page import SEARCH_ERRORS, AdminPage
from django_visualsnoop.admin.removal import Removals
from django_visualsnoop.admin.review_query import TAB
from django_visualsnoop.common.batches import read_within
from django_visualsnoop.common.clustering import SURE
from django_visualsnoop.exceptions import MergeError
from django_visualsnoop.review.decisions import AlreadyDecided, Decision, decide
from django_visualsnoop.review.record import ReviewGroup, find_review_search

if TYPE_CHECKING:
    from django.db.models import Model

    from django_visualsnoop.admin.members import ShownMember
    from django_visualsnoop.admin.removal import PlannedRemoval
    from django_visualsnoop.admin.review_query import ReviewQuery
    from django_visualsnoop.review.record import ReviewMember

#: Names of form fields: the groups of the page; the member to keep of a group, by its key.
GROUP = "visualsnoop_group"
KEEP = "visualsnoop_keep_"
CONFIRMED = "visualsnoop_confirmed"
#: The number of groups in one confirmation: each is to be looked at.
_MOST = 10
#: How many of them are read with the same queries.
_TOGETHER = 5
#: How long the confirmation may look at the files of the groups, in seconds.
_SECONDS = 5.0


class Resolvable(NamedTuple):
    """A sure group, with what resolving it would do."""

    group: ReviewGroup
    members: list[ShownMember]
    planned: PlannedRemoval

    @property
    def problem(self) -> str:
        """Why it can only be resolved on its own page; empty if nothing is in the way."""
        return self.planned.problem


class ResolvePage(AdminPage):
    def ask(self, query: ReviewQuery) -> HttpResponse:
        """Show what resolving the sure groups would do."""
        found, left = self._propose()
        context = {
            "title": _("Resolve sure groups"),
            "crumb": _("Resolve sure groups"),
            "parent_crumb": (self._list_url(query), _("Duplicates")),
            "groups": [one for one in found if not one.problem],
            "left_out": [one for one in found if one.problem],
            "left": left,
            "url": query.build_url(self.url("visualsnoop_resolve")),
            "list_url": self._list_url(query),
            "undo_days": self.model_admin.visualsnoop_undo_days,
            "names": {"group": GROUP, "keep": KEEP, "confirmed": CONFIRMED},
        }
        return self.render("resolve.html", context)

    def resolve(self, query: ReviewQuery) -> HttpResponse:
        """Resolve the groups as the confirmation has shown."""
        if CONFIRMED not in self.request.POST:
            return self.ask(query)
        resolved = 0
        chosen = [name for name in self.request.POST if name.startswith(KEEP)]
        changed = len(chosen)
        removals = Removals(self.model_admin, self.request)
        for group, members in self._read():
            kept = self.request.POST.get(f"{KEEP}{group.pk}")
            keep = [row for member, row in members if str(member.pk) == kept]
            remove = [row for member, row in members if str(member.pk) != kept]
            if not keep or removals.plan(Decision(keep=keep, remove=remove)).problem:
                continue
            by_key = {row.pk: member for member, row in members}
            decision = Decision(keep=keep, remove=remove)
            try:
                decide(
                    group,
                    decision,
                    by_key,
                    user=self.request.user,
                    removal=removals.removal,
                )
            except (AlreadyDecided, MergeError):
                continue
            except SEARCH_ERRORS as error:
                return self.redirect_with_error(error, self._list_url(query))
            resolved += 1
        self._tell(query, resolved, changed - resolved)
        return HttpResponseRedirect(self._list_url(query))

    def _tell(self, query: ReviewQuery, resolved: int, changed: int) -> None:
        tell = self.model_admin.message_user
        text = ngettext("Resolved %(count)d group.", "Resolved %(count)d groups.", resolved)
        url = query.build_url(
            self.url("visualsnoop_duplicates"), **{TAB: ReviewGroup.State.RESOLVED.value}
        )
        link = format_html(
            '{} <a href="{}">{}</a>', text % {"count": resolved}, url, _("Show them")
        )
        tell(self.request, link, messages.SUCCESS)
        if changed:
            text = ngettext(
                "%(count)d group was not resolved, because it has changed meanwhile.",
                "%(count)d groups were not resolved, because they have changed meanwhile.",
                changed,
            )
            tell(self.request, text % {"count": changed}, messages.WARNING)

    def _propose(self) -> tuple[list[Resolvable], int]:
        """Return the groups with their proposals, and how many there was no time for."""
        groups = self._read()
        rows = [row for _group, members in groups[:_MOST] for _member, row in members]
        reader = MemberReader(self.model_admin, self.request, rows)
        found = read_within(
            [members for _group, members in groups[:_MOST]],
            reader.read_groups,
            size=_TOGETHER,
            seconds=_SECONDS,
        )
        plans = Removals(self.model_admin, self.request).plan_all(
            [Decision(keep=[one.row], remove=[other.row for other in rest]) for one, *rest in found]
        )
        resolvable = [
            Resolvable(group, shown, plan)
            for (group, _members), shown, plan in zip(groups, found, plans, strict=False)
        ]
        return resolvable, len(groups) - len(resolvable)

    def _read(self) -> list[tuple[ReviewGroup, list[tuple[ReviewMember, Model]]]]:
        """Return the open and sure ones of the groups that the form names, with their rows."""
        if not self.model_admin.has_delete_permission(self.request):
            raise PermissionDenied
        rows = self.model_admin.get_queryset(self.request)
        search = find_review_search(self.model, rows.db)
        if search is None:
            raise Http404
        keys = [int(text) for text in self.request.POST.getlist(GROUP) if _is_key(text)]
        groups = list(
            ReviewGroup.objects.using(rows.db)
            .filter(search=search, state=ReviewGroup.State.OPEN, similarity__gte=SURE)
            .filter(pk__in=keys[: self.model_admin.visualsnoop_groups_per_page])
            .order_by("number")
        )
        members = read_members(self.model_admin, self.request, groups)
        # All rows of a group, or it would be resolved in part.
        return [
            (group, members[group.pk])
            for group in groups
            if 2 <= len(members[group.pk]) <= self.model_admin.visualsnoop_rows_per_group
            and len(members[group.pk]) == group.size
        ]

    def _list_url(self, query: ReviewQuery) -> str:
        return query.build_url(self.url("visualsnoop_duplicates"))


def _is_key(text: Any) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
