"""The page of groups of copies, and what its form does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.paginator import Paginator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_visualsnoop.admin.cards import ShownGroup
from django_visualsnoop.admin.choices import DELETE, KEEP, MEMBERS, PAGE, others, read_choices
from django_visualsnoop.admin.page import SEARCH_ERRORS, AdminPage
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.search.duplicates import find_duplicates

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse

    from django_visualsnoop.search.duplicates import DuplicateGroup, DuplicateGroups

#: Name of the action, which the page's form calls again.
ACTION = "visualsnoop_find_duplicates"


class DuplicatesPage(AdminPage):
    def show(
        self,
        rows: QuerySet[Any],
        *,
        page: str | None,
        selection: list[str],
        across: bool,
        links: bool = False,
    ) -> HttpResponse:
        """Search for copies, and show a page of groups.

        Args:
            rows: find groups with one of these.
            page: number of the page, from the request.
            selection: keys of the selected rows, from the request.
            across: whether all rows of the changelist are selected.
            links: whether other pages are links, and not buttons of the form.
        """
        # Without filters, the search does not need a list of all rows.
        everything = across and not rows.query.has_filters()
        changelist_url = self.url("changelist")
        filters = self.request.GET.urlencode()
        filtered_url = f"{changelist_url}?{filters}" if filters else changelist_url
        try:
            groups: DuplicateGroups[Any] = find_duplicates(
                self.model_admin.get_queryset(self.request),  # type: ignore[arg-type]
                of=None if everything else rows,
                field=None,
                min_similarity=None,
                budget=Budget(),
            )
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, filtered_url)
        paginator = Paginator(groups, self.model_admin.visualsnoop_groups_per_page)
        current = paginator.get_page(page)
        found = list(current.object_list)
        keys = {row.pk for group in found for row in group}
        selected = (
            set()
            if everything
            else set(rows.order_by().filter(pk__in=keys).values_list("pk", flat=True))
        )
        shown = [
            self._group(number, group, selected)
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
            "can_delete": self._delete_action() is not None,
            # A copy may not match the filters, so Django's confirmation must not apply them.
            "changelist_url": changelist_url,
            "filtered_url": filtered_url,
            "filters": filters,
            "names": {"page": PAGE, "delete": DELETE, "members": MEMBERS, "keep": KEEP},
        }
        return self.render("duplicates.html", context)

    def confirm_deletion(self) -> HttpResponse | None:
        """Pass the rows to delete to Django's action, which asks for confirmation.

        Raises:
            PermissionDenied: the user may not delete rows.
            SuspiciousOperation: the form is not one of this page.
        """
        delete_selected = self._delete_action()
        if delete_selected is None:
            raise PermissionDenied
        if "post" in self.request.POST:  # only Django's confirmation page sends it
            raise SuspiciousOperation("The page of duplicates cannot confirm a deletion.")
        rows = self.model_admin.get_queryset(self.request)
        limit = (
            self.model_admin.visualsnoop_groups_per_page
            * self.model_admin.visualsnoop_rows_per_group
        )
        choices = read_choices(self.request.POST, self.opts.pk, limit=limit, using=rows.db)
        keys = {key for choice in choices for key in choice.members}
        present = set(rows.order_by().filter(pk__in=keys).values_list("pk", flat=True))
        left, gone = others(choices, present)
        if gone:
            message = ngettext(
                "Skipped %(count)d group: the picture to keep no longer exists.",
                "Skipped %(count)d groups: the pictures to keep no longer exist.",
                gone,
            )
            self._tell(message % {"count": gone}, messages.WARNING)
        if not left:
            self._tell(_("All pictures are kept."), messages.INFO)
            return None
        response: HttpResponse | None = delete_selected(
            self.model_admin, self.request, rows.filter(pk__in=left)
        )
        return response

    def _group(self, number: int, group: DuplicateGroup[Any], selected: set[Any]) -> ShownGroup:
        limit = self.model_admin.visualsnoop_rows_per_group
        members = sorted(group.members, key=lambda member: member.row.pk not in selected)[:limit]
        cards = [
            self.card(member.row, member.similarity, member.field, member.row.pk in selected)
            for member in members
        ]
        return ShownGroup(number, cards, len(group))

    def _delete_action(self) -> Any | None:
        """Return Django's action, or ``None`` if the user may not use it or it is disabled."""
        action: Any = self.model_admin.get_actions(self.request).get("delete_selected")
        if action is None or not self.model_admin.has_delete_permission(self.request):
            return None
        return action[0] if isinstance(action, tuple) else action.func

    def _tell(self, message: Any, level: int) -> None:
        self.model_admin.message_user(self.request, message, level)
