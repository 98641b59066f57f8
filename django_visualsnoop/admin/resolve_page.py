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
from django_visualsnoop.common.clustering import SURE
from django_visualsnoop.exceptions import MergeError
from django_visualsnoop.review.decisions import AlreadyDecided, Decision, decide
from django_visualsnoop.review.record import ReviewGroup, find_review_search

if TYPE_CHECKING:
    from django_visualsnoop.admin.members import ShownMember
    from django_visualsnoop.admin.removal import PlannedRemoval
    from django_visualsnoop.admin.review_query import ReviewQuery

#: Names of form fields: the groups of the page; the member to keep of a group, by its key.
GROUP = "visualsnoop_group"
KEEP = "visualsnoop_keep_"
CONFIRMED = "visualsnoop_confirmed"


class Resolvable(NamedTuple):
    """A sure group, with what resolving it would do."""

    group: ReviewGroup
    members: list[ShownMember]
    planned: PlannedRemoval

    @property
    def problem(self) -> str:
        """Why it can only be resolved on its own page; empty if nothing is in the way."""
        if self.planned.missing:
            return _("You lack permissions: %(list)s.") % {"list": ", ".join(self.planned.missing)}
        if self.planned.merge.conflicts or self.planned.merge.protected:
            return _("Some related rows cannot move.")
        return ""

    @property
    def decision(self) -> Decision:
        return self.planned.decision


class ResolvePage(AdminPage):
    def ask(self, query: ReviewQuery) -> HttpResponse:
        """Show what resolving the sure groups would do."""
        found = self._read()
        context = {
            "title": _("Resolve sure groups"),
            "crumb": _("Resolve sure groups"),
            "parent_crumb": (self._list_url(query), _("Duplicates")),
            "groups": [one for one in found if not one.problem],
            "left_out": [one for one in found if one.problem],
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
        resolved, changed = 0, 0
        removal = Removals(self.model_admin, self.request).removal
        for one in self._read():
            kept = self.request.POST.get(f"{KEEP}{one.group.pk}")
            if one.problem or kept != str(one.members[0].member.pk):
                changed += 1
                continue
            members = {shown.row.pk: shown.member for shown in one.members}
            try:
                decide(one.group, one.decision, members, user=self.request.user, removal=removal)
            except (AlreadyDecided, MergeError):
                changed += 1
            except SEARCH_ERRORS as error:
                return self.redirect_with_error(error, self._list_url(query))
            else:
                resolved += 1
        self._tell(query, resolved, changed)
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

    def _read(self) -> list[Resolvable]:
        """Return the open and sure ones of the groups that the form names."""
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
            .select_related("search")
            .order_by("number")
        )
        members = read_members(self.model_admin, self.request, groups)
        # All rows of a group, or it would be resolved in part.
        whole = [
            group
            for group in groups
            if 2 <= len(members[group.pk]) <= self.model_admin.visualsnoop_rows_per_group
            and len(members[group.pk]) == group.size
        ]
        every = [row for group in whole for _member, row in members[group.pk]]
        reader = MemberReader(self.model_admin, self.request, every)
        removals = Removals(self.model_admin, self.request)
        found = []
        for group in whole:
            shown = reader.read_group(members[group.pk], look_closer=False)
            removed = [one.row for one in shown[1:]]
            planned = removals.plan(Decision(keep=[shown[0].row], remove=removed))
            found.append(Resolvable(group, shown, planned))
        return found

    def _list_url(self, query: ReviewQuery) -> str:
        return query.build_url(self.url("visualsnoop_duplicates"))


def _is_key(text: Any) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
