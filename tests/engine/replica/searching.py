"""Searches of one collection, and what a process has read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.models import key_of
from django_visualsnoop.engine.replica import held
from tests.collections.contract import image

if TYPE_CHECKING:
    from django_visualsnoop.collections.local import LocalCollection

committing = pytest.mark.django_db(transaction=True)


def search(collection: LocalCollection, scene: int) -> list[str]:
    return sorted(match.image_id for match in collection.search_images(image(scene)).matches)


def remembered() -> list[str]:
    memory = held._replicas["default", key_of("shop"), ""]
    parts = memory.images.index.list_parts()
    return sorted(
        image_id
        for segment, kept in parts
        for image_id in segment.ids.get_ids(np.flatnonzero(kept))
    )
