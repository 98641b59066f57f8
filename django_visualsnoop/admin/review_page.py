"""The page that reviews one group of copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_visualsnoop.admin.members import MemberReader, read_members
from django_visualsnoop.admin.page import SEARCH_ERRORS, AdminPage
from django_visualsnoop.admin.removal import Removals, describe_failure
from django_visualsnoop.common.clustering import SURE
from django_visualsnoop.common.durations import to_local_time
from django_visualsnoop.exceptions import MergeError, UndoError
from django_visualsnoop.review.decisions import AlreadyDecided, Decision, decide, reopen
from django_visualsnoop.review.record import ReviewGroup, find_review_search

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model, QuerySet

    from django_visualsnoop.admin.members import ShownMember
    from django_visualsnoop.admin.review_query import ReviewQuery
    from django_visualsnoop.merging.undo import RestoreReport

#: Names of form fields. The first one occurs once per row, with the primary key of its member.
CHOICE = "visualsnoop_row_"
FILL = "visualsnoop_fill"
DELETE_RELATED = "visualsnoop_delete_related"
CONFIRMED = "visualsnoop_confirmed"
ALL = "visualsnoop_all"
#: What to do with a row.
KEEP, REMOVE, APART = "keep", "remove", "apart"
CHOICES = [
    (KEEP, gettext_lazy("Keep")),
    (REMOVE, gettext_lazy("Remove")),
    (APART, gettext_lazy("Not a duplicate")),
]
_State = ReviewGroup.State


class _GroupGoneError(Exception):
    """There is no such group that the user may see."""


class ReviewPage(AdminPage):
    """One request for the page of one group."""

    def answer(
        self, method: Callable[[int, ReviewQuery], HttpResponse], key: int, query: ReviewQuery
    ) -> HttpResponse:
        """Call one of the other methods; go to the list if the group does not exist."""
        try:
            return method(key, query)
        except _GroupGoneError:
            text = _("There is no such group any more. Somebody has searched again.")
            self._tell(text, messages.WARNING)
            return HttpResponseRedirect(query.build_url(self.url("visualsnoop_duplicates")))

    def show(self, key: int, query: ReviewQuery) -> HttpResponse:
        """Show a group.

        Args:
            key: primary key of the group.
            query: what the URL says.
        """
        groups = self._select_groups(query)
        group = self._get(groups, key)
        shown = self._read(group)
        if group.is_open and len(shown) < 2:
            # Somebody has deleted the others meanwhile.
            return HttpResponseRedirect(self._next_url(groups, group, query))
        return self._render(group, groups, query, shown, dict.fromkeys(shown_keys(shown), KEEP))

    def decide(self, key: int, query: ReviewQuery) -> HttpResponse:
        """Carry out what the form says, or ask for confirmation first if rows are removed."""
        groups = self._select_groups(query)
        group = self._get(groups, key)
        shown = self._read(group)
        if not group.is_open:
            self._tell(_("Group %(number)d is decided already.") % {"number": group.number})
            return HttpResponseRedirect(self.group_url(group, query))
        choices = self._read_choices(shown)
        decision = self._build_decision(shown, choices)
        self._check_permissions(decision)
        if ALL not in self.request.POST and not (decision.remove or decision.apart):
            text = _("Choose what to remove, or what is not a duplicate. Or press “Keep all”.")
            self._tell(text, messages.WARNING)
            return HttpResponseRedirect(self.group_url(group, query))
        removals = Removals(self.model_admin, self.request)
        if decision.remove and CONFIRMED not in self.request.POST:
            plan = removals.plan(decision)
            return self._render(group, groups, query, shown, choices, plan=plan)
        try:
            removals.check(decision)
            members = {one.row.pk: one.member for one in shown}
            decide(
                group,
                decision,
                members,
                user=self.request.user,
                removal=removals.removal,
            )
        except (AlreadyDecided, MergeError) as error:
            self._tell(describe_failure(error), messages.ERROR)
            return HttpResponseRedirect(self.group_url(group, query))
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, self.group_url(group, query))
        done = _describe_decision(group, decision)
        link = format_html(
            '{} <a href="{}">{}</a>', done, self.group_url(group, query), _("Take this back")
        )
        self._tell(link, messages.SUCCESS)
        return HttpResponseRedirect(self._next_url(groups, group, query))

    def reopen(self, key: int, query: ReviewQuery) -> HttpResponse:
        """Take the decision on a group back, and show it again."""
        group = self._get(self._select_groups(query), key)
        if not self.model_admin.has_change_permission(self.request):
            raise PermissionDenied
        if group.resolution_id is not None and not self.model_admin.has_add_permission(
            self.request
        ):
            raise PermissionDenied
        try:
            report = reopen(group, user=self.request.user)
        except (AlreadyDecided, UndoError) as error:
            self._tell(str(error), messages.ERROR)
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, self.group_url(group, query))
        else:
            self._tell(
                _("Group %(number)d is to be reviewed again.") % {"number": group.number},
                messages.SUCCESS,
            )
            if report is not None:
                self._warn(report)
        return HttpResponseRedirect(self.group_url(group, query))

    def _warn(self, report: RestoreReport) -> None:
        for text in report.left_alone:
            self._tell(text, messages.WARNING)
        if report.missing_files:
            text = _("These files are not in the storage any more: %(names)s")
            self._tell(text % {"names": ", ".join(report.missing_files)}, messages.WARNING)

    def _select_groups(self, query: ReviewQuery) -> QuerySet[ReviewGroup]:
        using = self.model_admin.get_queryset(self.request).db
        search = find_review_search(self.model, using)
        if search is None:
            raise _GroupGoneError
        return query.select_groups(search, self.model_admin, self.request)

    def _get(self, groups: QuerySet[ReviewGroup], key: int) -> ReviewGroup:
        try:
            group = groups.filter(pk=key).first()
        except (OverflowError, ValueError):  # no database has such a key
            group = None
        if group is None:
            raise _GroupGoneError
        return group

    def _read(self, group: ReviewGroup) -> list[ShownMember]:
        found = read_members(self.model_admin, self.request, [group])[group.pk]
        found = found[: self.model_admin.visualsnoop_rows_per_group]
        reader = MemberReader(self.model_admin, self.request, [row for _, row in found])
        return reader.read_groups([found])[0]

    def _render(
        self,
        group: ReviewGroup,
        groups: QuerySet[ReviewGroup],
        query: ReviewQuery,
        shown: list[ShownMember],
        choices: dict[int, str],
        plan: Any = None,
    ) -> HttpResponse:
        opened = groups.filter(state=_State.OPEN)
        before = opened.filter(number__lt=group.number).last()
        after = opened.filter(number__gt=group.number).first()
        left = opened.count()
        done = groups.filter(decided_at__gte=group.search.found_at).count()
        context = {
            "title": _("Group %(number)d: %(size)d %(name)s")
            % {
                "number": group.number,
                "size": group.size,
                "name": self.opts.verbose_name_plural,
            },
            "crumb": _("Group %(number)d") % {"number": group.number},
            "parent_crumb": (query.build_url(self.url("visualsnoop_duplicates")), _("Duplicates")),
            "group": group,
            "members": [(one, choices.get(one.member.pk, KEEP)) for one in shown],
            "hidden": group.size - len(shown),
            "is_sure": group.similarity is not None and group.similarity >= SURE,
            "before_url": before and self.group_url(before, query),
            "after_url": after and self.group_url(after, query),
            "list_url": query.build_url(self.url("visualsnoop_duplicates")),
            "similar_url": self.url("visualsnoop_similar", str(shown[0].candidate.key))
            if shown
            else "",
            "left": left,
            "done": done,
            "total": left + done,
            "url": self.group_url(group, query),
            "reopen_url": query.build_url(self.url("visualsnoop_reopen", str(group.pk))),
            "can_undo_until": group.resolution
            and group.resolution.can_be_undone
            and group.resolution.expires_at,
            "can_change": self.model_admin.has_change_permission(self.request),
            "can_delete": self.model_admin.has_delete_permission(self.request),
            "choices": [
                (value, label)
                for value, label in CHOICES
                if value != REMOVE or self.model_admin.has_delete_permission(self.request)
            ],
            "plan": plan,
            "undo_days": self.model_admin.visualsnoop_undo_days,
            "delete_files": self.model_admin.visualsnoop_delete_files,
            "names": {
                "choice": CHOICE,
                "fill": FILL,
                "delete_related": DELETE_RELATED,
                "confirmed": CONFIRMED,
                "all": ALL,
            },
        }
        template = "review.html" if plan is None else "confirm.html"
        return self.render(template, context)

    def _read_choices(self, shown: list[ShownMember]) -> dict[int, str]:
        """Return what to do with each row, by the primary key of its member."""
        post = self.request.POST
        every = post.get(ALL)
        valid = [value for value, _label in CHOICES]
        found = {}
        for one in shown:
            value = every or post.get(f"{CHOICE}{one.member.pk}", KEEP)
            found[one.member.pk] = value if value in valid else KEEP
        return found

    def _build_decision(self, shown: list[ShownMember], choices: dict[int, str]) -> Decision:
        rows: dict[str, list[Model]] = {value: [] for value, _label in CHOICES}
        for one in shown:
            rows[choices[one.member.pk]].append(one.row)
        if len(rows[APART]) == len(shown):
            # None is a duplicate of another.
            return Decision(apart=rows[APART])
        return Decision(
            keep=rows[KEEP],
            remove=rows[REMOVE],
            apart=rows[APART],
            fill=self.request.POST.getlist(FILL),
            delete_conflicting=DELETE_RELATED in self.request.POST,
        )

    def _check_permissions(self, decision: Decision) -> None:
        if decision.remove and not self.model_admin.has_delete_permission(self.request):
            raise PermissionDenied
        if not decision.remove and not self.model_admin.has_change_permission(self.request):
            raise PermissionDenied

    def _next_url(
        self, groups: QuerySet[ReviewGroup], group: ReviewGroup, query: ReviewQuery
    ) -> str:
        """Return the URL of the next group to review; of the list if there is none."""
        opened = groups.filter(state=_State.OPEN).exclude(pk=group.pk)
        after = opened.filter(number__gt=group.number).first() or opened.first()
        if after is None:
            return query.build_url(self.url("visualsnoop_duplicates"))
        return self.group_url(after, query)

    def _tell(self, message: str, level: int = messages.INFO) -> None:
        self.model_admin.message_user(self.request, message, level)


def shown_keys(shown: list[ShownMember]) -> list[int]:
    """Return the primary keys of members."""
    return [one.member.pk for one in shown]


def _describe_decision(group: ReviewGroup, decision: Decision) -> str:
    number = {"number": group.number}
    if decision.remove:
        text = ngettext(
            "Group %(number)d: removed %(count)d.",
            "Group %(number)d: removed %(count)d.",
            len(decision.remove),
        ) % {**number, "count": len(decision.remove)}
        if group.resolution is not None and group.resolution.can_be_undone:
            until = date_format(to_local_time(group.resolution.expires_at), "DATE_FORMAT")
            text += " " + _("You can undo this until %(date)s.") % {"date": until}
        return text
    if group.state == _State.NOT_DUPLICATES:
        return _("Group %(number)d: not duplicates.") % number
    return _("Group %(number)d: all kept.") % number
