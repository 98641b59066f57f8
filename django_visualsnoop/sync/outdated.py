"""Images that an older version described: added again in the background, while searches go on."""

from __future__ import annotations

import logging
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from django.db.models import Q

from django_visualsnoop.collections import collections
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.indexed.options import all_indexed_fields
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import requeue_skipping_locked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from django_visualsnoop.indexed.options import IndexedField

logger = logging.getLogger(__name__)


def requeue_outdated(*, using: str, limit: int, before: datetime) -> int:
    """Wish again for images that no search finds until they are added again.

    No hints are sent: what was saved just now comes first, and the sweeper does the rest.

    Args:
        using: alias of the database of the records.
        limit: about how many wishes to write; a collection is asked for so many ids at a time.
        before: only for images last synced before this, so that one that stays outdated when it
            is added again keeps nobody busy.

    Returns:
        How many were written. Images whose record waits or has failed are left to that, and
        those without a record to whoever added them.
    """
    fields: dict[str, list[IndexedField]] = defaultdict(list)
    for field in all_indexed_fields():
        fields[field.collection].append(field)
    renewed = 0
    for alias, members in fields.items():
        try:
            outdated = collections[alias].iter_outdated()
            while renewed < limit and (image_ids := list(islice(outdated, limit))):
                renewed += _renew(image_ids, members, using, before)
        except Exception as error:  # a backend's errors are its own, and no reason to end the sweep
            if is_interruption(error) or is_lock_error(error):
                raise
            logger.exception("Collection %r did not say which images are outdated", alias)
    return renewed


def _renew(
    image_ids: Iterable[str], fields: Iterable[IndexedField], using: str, before: datetime
) -> int:
    keys: set[UUID] = set()
    for image_id in image_ids:
        for field in fields:
            key = field.key_from_image_id(image_id, using)
            if key is not None:
                keys.add(field.record_id(field.key_text(key)))
    records = SyncRecord.objects.using(using).filter(pk__in=keys)
    agrees = SyncRecord.in_state(SyncRecord.State.IN_SYNC)
    return len(requeue_skipping_locked(records, agrees & Q(synced_at__lt=before)))
