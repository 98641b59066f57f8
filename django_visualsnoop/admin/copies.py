"""The copies of a row that the last search found, for the row's own page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_visualsnoop.admin.members import read_members
from django_visualsnoop.admin.page import AdminPage
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.review.record import ReviewGroup, ReviewMember

if TYPE_CHECKING:
    from django_visualsnoop.admin.cards import Card

#: Shown copies.
_MOST = 6


class KnownCopies(AdminPage):
    def read(self, row: Any) -> dict[str, Any]:
        """Return the context: the cards of the copies and the URL of their group, if there is one.

        This searches nothing.
        """
        using = row._state.db
        text = indexed_fields(type(row))[0].object_id(row)
        members = ReviewMember.objects.using(using).filter(
            object_id=text,
            group__state=ReviewGroup.State.OPEN,
            group__search__model=self.opts.label_lower,
        )
        # Not every database compares texts exactly.
        found = [one for one in members.select_related("group")[:2] if one.object_id == text]
        if not found:
            return {}
        group = found[0].group
        rows = read_members(self.model_admin, self.request, [group])[group.pk]
        cards: list[Card] = [
            self.card(other, member.similarity, member.field)
            for member, other in rows[: _MOST + 1]
            if other.pk != row.pk
        ]
        if not cards:
            return {}
        return {
            "visualsnoop_copies": cards[:_MOST],
            "visualsnoop_review_url": self.url("visualsnoop_review", str(group.pk)),
        }
