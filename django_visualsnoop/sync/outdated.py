"""Add images again that an older version described, in the background."""

from __future__ import annotations

import logging
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from django.db.models import Q

from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.indexed.image_ids import ImageIds
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import requeue_skipping_locked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from django_visualsnoop.indexed.options import IndexedField

logger = logging.getLogger(__name__)


def requeue_outdated(*, using: str, limit: int, before: datetime) -> int:
    """Request the sync of images that searches cannot find until they are added again.

    This dispatches nothing: recently saved images come first, and the sweeper processes these.

    Args:
        using: alias of the database that stores the records.
        limit: approximate number of requests to write, and number of ids per call to a collection.
        before: only images that were last synced before this time, so that an image that stays
            outdated is not added again and again.

    Returns:
        How many requests were written. Images whose record is pending or failed, and images
        without a record, get none.
    """
    fields: dict[str, list[IndexedField]] = defaultdict(list)
    for field in all_indexed_fields():
        fields[field.collection].append(field)
    renewed = 0
    for alias, members in fields.items():
        try:
            outdated = collections[alias].iter_outdated()
            ids = ImageIds((field, using) for field in members)
            while renewed < limit and (image_ids := list(islice(outdated, limit))):
                renewed += _renew(image_ids, ids, using, before)
        except Exception as error:  # a backend may raise anything, which must not end the sweep
            if is_interruption(error) or is_lock_error(error):
                raise
            logger.exception("Could not list the outdated images of collection %r.", alias)
    return renewed


def _renew(image_ids: Iterable[str], ids: ImageIds, using: str, before: datetime) -> int:
    keys = {
        found.field.record_id(found.field.key_text(found.key))
        for image_id in image_ids
        for found in ids.parse_all(image_id)
    }
    records = SyncRecord.objects.using(using).filter(pk__in=keys)
    in_sync = SyncRecord.in_state(SyncRecord.State.IN_SYNC)
    return len(requeue_skipping_locked(records, in_sync & Q(synced_at__lt=before)))
