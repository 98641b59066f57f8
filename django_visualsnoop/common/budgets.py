"""How much work one request may cause."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Budget:
    """What is left of the work that looking for pairs may take.

    Who does the work takes off what it took.
    """

    #: Pairs of pictures that are compared in every detail, the closest first.
    comparisons: int = 10_000
    #: Images for each of which the collection is searched once.
    searches: int = 500
    #: Of a collection with more images, only the newest are searched for.
    images: int = 100_000
    #: Whether it was enough.
    complete: bool = True

    def take_searches(self, image_ids: Iterable[str]) -> list[str]:
        """Return as many ids, the first ones, as may still be searched for."""
        some = list(islice(image_ids, self.searches + 1))
        if len(some) > self.searches:
            self.complete = False
            some.pop()
        self.searches -= len(some)
        return some
