"""Let collections do what each sweep should do, such as mending an index."""

from __future__ import annotations

import logging

from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.indexed.options import all_indexed_fields

logger = logging.getLogger(__name__)


def maintain_collections() -> None:
    """Call ``maintain()`` of every collection that a field uses; log what it raises."""
    for alias in sorted({field.collection for field in all_indexed_fields()}):
        try:
            collections[alias].maintain()
        except Exception as error:  # a backend may raise anything, which must not end the sweep
            if is_interruption(error) or is_lock_error(error):
                raise
            logger.exception("Could not maintain the collection %r.", alias)
