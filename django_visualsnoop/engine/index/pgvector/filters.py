"""Conditions on the ids of images, as parts of statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django_visualsnoop.engine.index.pgvector.encoding import format_texts

if TYPE_CHECKING:
    from collections.abc import Collection


#: The allowed ids once, however often a statement has the condition on them.
ALLOWED = "allowed AS MATERIALIZED (SELECT unnest(%(allowed)s::text[]) AS image_id)"


class IdFilter(NamedTuple):
    """Which images a search may find. The lists travel as one parameter each."""

    allowed: Collection[str] | None = None
    without: Collection[str] = ()

    def build_condition(self, alias: str, *, looked_up: bool = False) -> str:
        """Return ``AND …`` on the column ``image_id``; its parameters are ``get_parameters``.

        Args:
            alias: of the table.
            looked_up: find the images by the allowed ids. Otherwise check images that are found by
                something else, by a hash table of ``ALLOWED``, which the statement must have.
        """
        condition = ""
        if self.allowed is not None and looked_up:
            condition += f" AND {alias}.image_id = ANY(%(allowed)s::text[])"
        elif self.allowed is not None:
            # Written so that it cannot become a join, which would lose the order of an index.
            condition += f" AND ({alias}.image_id IN (SELECT image_id FROM allowed)) IS TRUE"
        if self.without:
            condition += f" AND {alias}.image_id <> ALL(%(without)s::text[])"
        return condition

    def get_parameters(self) -> dict[str, Any]:
        return {
            "allowed": format_texts(self.allowed or ()),
            "without": format_texts(self.without),
        }

    def allows_few(self, few: int) -> bool:
        """Whether it allows at most so many images that comparing them all is fast."""
        return self.allowed is not None and len(self.allowed) <= few
