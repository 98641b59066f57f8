"""Finalize processed records: write their outcome, send signals and log failures."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections
from django.utils import timezone

from django_visualsnoop.common.transactions import is_lock_error, retry_when_locked, write_when_free
from django_visualsnoop.indexed.options import field_by_label
from django_visualsnoop.outbox.locking import lock_skipping_locked
from django_visualsnoop.outbox.record import SyncRecord
from django_visualsnoop.outbox.requests import request_again
from django_visualsnoop.outbox.retry import classify_error, unwritable
from django_visualsnoop.signals import image_sync_failed, image_synced, tell

if TYPE_CHECKING:
    from uuid import UUID

    from django_visualsnoop.outbox.leases import Lease
    from django_visualsnoop.outbox.retry import Failure
    from django_visualsnoop.sync.batch import LeasedImage
    from django_visualsnoop.sync.outcome import Outcome

#: The logger that all modules of sync share.
logger = logging.getLogger("django_visualsnoop.sync.worker")


class Finalizer:
    """Write the outcome of leased records.

    Args:
        alias: alias of the collection.
        lease: the lease that holds the records.
        outcome: counts the records.
    """

    def __init__(self, alias: str, lease: Lease, outcome: Outcome) -> None:
        self.alias = alias
        self.lease = lease
        self.outcome = outcome

    def finalize(self, ready: list[LeasedImage]) -> set[str]:
        """Finalize images; return the ids of the records that have changed meanwhile."""
        try:
            results = self._finalize_together(ready)
        except (DatabaseError, ValueError) as error:
            if is_lock_error(error) or connections[self.lease.using].in_atomic_block:
                raise
            logger.warning("Could not finalize %d records together: %s", len(ready), error)
            results = [self._finalize_alone(image) for image in ready]
        again = set()
        for image, result in zip(ready, results, strict=True):
            image.finalized = True
            if result:
                self._count(image)
                self._tell(image)
            else:
                again.add(str(image.record.pk))
        return again

    def _finalize_together(self, images: list[LeasedImage]) -> list[bool]:
        """Finalize images; return for each whether its record is unchanged since the lease."""

        def finalize_free() -> dict[UUID, bool]:
            free = set(lock_skipping_locked(self.lease.records))
            unlocked = [image for image in images if image.record.pk in free]
            added = [
                (image.record, {"name": image.name, "digest": image.digest})
                for image in unlocked
                if image.file is not None and image.failure is None
            ]
            in_sync = self.lease.finalize_all(added, **_in_sync()) if added else set()
            return {
                image.record.pk: image.record.pk in in_sync or self._finalize(image)
                for image in unlocked
            }

        results = write_when_free(finalize_free, SyncRecord, using=self.lease.using)
        # The others wait, one by one, for the transaction that is requesting them.
        for image in images:
            if image.record.pk not in results:
                results[image.record.pk] = retry_when_locked(
                    partial(self._finalize, image), using=self.lease.using
                )
        return [results[image.record.pk] for image in images]

    def _finalize_alone(self, image: LeasedImage) -> bool:
        """Finalize one image; if the database rejects its reason or name, write them in ASCII."""
        try:
            return retry_when_locked(lambda: self._finalize(image), using=self.lease.using)
        except (DatabaseError, ValueError) as error:
            if is_lock_error(error):
                raise
            image.failure = unwritable(
                image.failure or classify_error(error, image.record.attempts)
            )
            image.name = ascii(image.name)[1:-1]
            return retry_when_locked(lambda: self._finalize(image), using=self.lease.using)

    def _finalize(self, image: LeasedImage) -> bool:
        """Finalize one image; return whether its record is unchanged since the lease."""
        record = image.record
        if image.failure is not None:
            finalized = self._finalize_failure(image, image.failure)
        elif image.file is None and not image.unwanted:
            finalized = self.lease.delete(record)
        else:
            finalized = self.lease.finalize(
                record,
                applied=record.generation,
                name="" if image.file is None else image.name,
                digest=image.digest,
                **_in_sync() | {"wanted": not image.unwanted},
            )
        if not finalized and not self.lease.release(record):
            # The lease expired and another worker took over. Either picture may have arrived last.
            request_again(record, using=self.lease.using)
        return finalized

    def _finalize_failure(self, image: LeasedImage, failure: Failure) -> bool:
        changes: dict[str, Any] = {"due_at": None, "name": image.name, "digest": image.digest}
        if failure.delay is not None:
            changes = {"due_at": timezone.now() + timedelta(seconds=failure.delay)}
        return self.lease.finalize(
            image.record, reason_code=failure.code, reason=failure.reason, **changes
        )

    def _count(self, image: LeasedImage) -> None:
        key, failure = str(image.record.pk), image.failure
        if failure is None:
            self.outcome.in_sync += 1
            if image.fresh:
                self.outcome.fresh.append(key)
        elif failure.delay is None:
            self.outcome.failed[key] = failure.reason
        else:
            self.outcome.retrying[key] = failure.reason
            self.outcome.later[failure.delay].append(key)

    def _tell(self, image: LeasedImage) -> None:
        """Send the signal and log a failure, after the outcome is written."""
        record, failure = image.record, image.failure
        field = field_by_label(record.model, record.field)
        sender = None if field is None else field.owner
        if failure is None:
            tell(
                image_synced,
                sender=sender,
                record=record,
                using=self.lease.using,
                stored=image.file is not None,
            )
            return
        tell(
            image_sync_failed,
            sender=sender,
            record=record,
            using=self.lease.using,
            reason_code=failure.code,
            reason=failure.reason,
            retry_in=failure.delay,
        )
        logger.warning(
            "Could not sync %s with collection %r: %s",
            record.image_id,
            self.alias,
            failure.reason,
            extra={
                "visualsnoop_collection": self.alias,
                "visualsnoop_image_id": record.image_id,
                "visualsnoop_reason": failure.code,
                "visualsnoop_attempts": record.attempts,
                "visualsnoop_retry_in": failure.delay,
            },
        )


def _in_sync() -> dict[str, Any]:
    """Return what is the same in every record whose image is in the collection."""
    return {
        "wanted": True,
        "due_at": None,
        "attempts": 0,
        "reason_code": "",
        "reason": "",
        "synced_at": timezone.now(),
    }
