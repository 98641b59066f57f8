"""Limits on the work that one request may cause."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Budget:
    """The remaining work that a search for pairs may cause.

    The code that does the work subtracts it.
    """

    #: Pairs of pictures that are compared in detail, the closest first.
    comparisons: int = 10_000
    #: Pairs of files that are read again for a closer look, and the seconds for all of them: files
    #: of a remote storage take longer.
    looks: int = 200
    looking_seconds: float = 10.0
    #: Searches in the collection, one per image.
    searches: int = 500
    #: Images to search for; in larger collections, only the newest.
    images: int = 100_000
    #: Whether the budget was sufficient.
    complete: bool = True

    def take_searches(self, image_ids: Iterable[str]) -> list[str]:
        """Return the first ids, as many as the budget allows to search for."""
        some = list(islice(image_ids, self.searches + 1))
        if len(some) > self.searches:
            self.complete = False
            some.pop()
        self.searches -= len(some)
        return some
