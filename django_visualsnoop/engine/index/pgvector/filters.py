"""Conditions on the ids of images, as parts of statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class IdFilter(NamedTuple):
    """Which images a search may find.

    The lists travel as one parameter each, and PostgreSQL looks ids up in a hash table of them.
    """

    allowed: Collection[str] | None = None
    without: Collection[str] = ()

    def build_condition(self, alias: str) -> str:
        """Return ``AND …`` on the column ``image_id``; its parameters are ``get_parameters``."""
        condition = ""
        if self.allowed is not None:
            condition += f" AND {alias}.image_id = ANY(%(allowed)s::text[])"
        if self.without:
            condition += f" AND {alias}.image_id <> ALL(%(without)s::text[])"
        return condition

    def get_parameters(self) -> dict[str, Any]:
        return {"allowed": list(self.allowed or ()), "without": list(self.without)}

    def allows_few(self, few: int) -> bool:
        """Whether it allows at most so many images that comparing them all is fast."""
        return self.allowed is not None and len(self.allowed) <= few
