"""Choose whose pairs to search for, within a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.engine.storage.store import Store


def select_searched(
    store: Store, budget: Budget, touching: Collection[str] | None
) -> Collection[str] | None:
    """Return the images whose pairs to search for; ``None`` for all at once.

    Args:
        store: the collection.
        budget: pays for the searches.
        touching: ids of images whose pairs are wanted; those of all images if ``None``.
    """
    if touching is not None and len(touching) <= budget.searches:
        return budget.take_searches(sorted(touching))
    if store.count() <= budget.images:
        return None  # which costs less than so many searches
    if touching is not None:
        return budget.take_searches(sorted(touching))
    budget.complete = False
    newest = store.read_page(None, max(1, budget.searches)).images
    return budget.take_searches(stored.image_id for stored in newest)
