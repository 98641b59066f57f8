"""What removing rows would do, and whether the user may."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from django_visualsnoop.exceptions import MergeConflict
from django_visualsnoop.merging.permissions import missing_permissions
from django_visualsnoop.merging.plan import plan_merges
from django_visualsnoop.review.decisions import AlreadyDecided, Removal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django.contrib.admin.sites import AdminSite
    from django.http import HttpRequest

    from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin
    from django_visualsnoop.exceptions import MergeError
    from django_visualsnoop.merging.plan import Fill, MergePlan
    from django_visualsnoop.review.decisions import Decision

logger = logging.getLogger("django_visualsnoop")


@dataclass(frozen=True)
class PlannedRemoval:
    """What the confirmation shows."""

    decision: Decision
    merge: MergePlan
    _request: HttpRequest
    _admin_site: AdminSite

    @cached_property
    def missing(self) -> list[str]:
        """Permissions that the user lacks, in words."""
        return missing_permissions(
            self.merge,
            user=self._request.user,
            request=self._request,
            admin_site=self._admin_site,
        )

    @property
    def fillable(self) -> list[Fill]:
        """Empty fields of the kept row that removed rows can fill."""
        return list(self.merge.fillable.values())

    @property
    def problem(self) -> str:
        """Why it needs a look at this group alone; empty if nothing is in the way."""
        if self.merge.conflicts:  # first, because permissions then depend on further rows
            return _("Some related rows cannot move.")
        if self.missing:
            return _("You lack permissions: %(list)s.") % {"list": ", ".join(self.missing)}
        return ""

    @property
    def is_possible(self) -> bool:
        return not self.missing


class Removals:
    """The removals of one request."""

    def __init__(self, model_admin: VisualSnoopAdminMixin, request: HttpRequest) -> None:
        self._model_admin = model_admin
        self._request = request

    @property
    def removal(self) -> Removal:
        """How the admin removes rows."""
        days = self._model_admin.visualsnoop_undo_days
        return Removal(
            partial(self._model_admin.visualsnoop_remove, self._request),
            undo_for=timedelta(days=days) if days else None,
            delete_files=self._model_admin.visualsnoop_delete_files,
        )

    def plan(self, decision: Decision) -> PlannedRemoval:
        """Return what carrying out a decision would do."""
        return self.plan_all([decision], fill=decision.fill)[0]

    def plan_all(
        self, decisions: Sequence[Decision], fill: Collection[str] = ()
    ) -> list[PlannedRemoval]:
        """Return what carrying out each decision alone would do; see ``plan_merges()``."""
        merges = [(one.keep[0] if one.keep else None, one.remove) for one in decisions]
        site = self._model_admin.admin_site
        return [
            PlannedRemoval(decision, plan, self._request, site)
            for decision, plan in zip(decisions, plan_merges(merges, fill=fill), strict=True)
        ]

    def check(self, decision: Decision) -> None:
        """Check that the user may do what the confirmation has shown.

        Raises:
            PermissionDenied: the user may not.
        """
        if decision.remove and self.plan(decision).missing:
            raise PermissionDenied


def describe_failure(error: AlreadyDecided | MergeError) -> str:
    """Return why nothing was removed, as a sentence for users."""
    if isinstance(error, AlreadyDecided):
        return str(error)
    if isinstance(error, MergeConflict):
        rows = ", ".join(map(str, error.conflicts))
        return _("Nothing was removed, because these related rows cannot move: %(rows)s.") % {
            "rows": rows
        }
    logger.info("The admin could not remove rows.", exc_info=error)
    return _("Nothing was removed, because these rows have changed meanwhile.")
