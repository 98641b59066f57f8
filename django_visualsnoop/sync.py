"""Bringing records home: one record → its collection. All rules of reconciling live here.

Level-triggered: a worker claims a record, reads the row *as it is now*, makes the collection
agree, and says so only if nobody has wished again meanwhile. So it does not matter how often,
how late or in which order it is called.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError, transaction
from django.utils import timezone

from django_visualsnoop import wishes
from django_visualsnoop.claims import Claim, unclaimed, unsettled
from django_visualsnoop.client.exceptions import (
    ImageRefusedError,
    InvalidImageIdError,
    NotFoundError,
)
from django_visualsnoop.collections import collections
from django_visualsnoop.failures import (
    FIRST_DELAY,
    MAX_ABANDONED,
    Failure,
    given_up,
    judge,
)
from django_visualsnoop.locking import lock_free
from django_visualsnoop.options import field_by_label
from django_visualsnoop.signals import image_sync_failed, image_synced, swept
from django_visualsnoop.spellings import request_other_spellings
from django_visualsnoop.upgrading import renew_outdated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from django.db.models import QuerySet
    from django.db.models.fields.files import FieldFile

    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.models import SyncRecord
    from django_visualsnoop.options import IndexedField

logger = logging.getLogger(__name__)

#: How often one call looks again at a record whose row keeps changing while it works.
MAX_ROUNDS = 5


@dataclass
class Outcome:
    """What became of the records that one call was given."""

    agreed: int = 0
    #: Record id → why, for those that failed and will be tried again.
    retrying: dict[str, str] = dataclass_field(default_factory=dict)
    #: Record id → why, for those that wait until their image changes or someone asks.
    parked: dict[str, str] = dataclass_field(default_factory=dict)
    #: Seconds → ids of records to look at again after so long.
    later: dict[float, list[str]] = dataclass_field(default_factory=lambda: defaultdict(list))

    @property
    def worked_on(self) -> int:
        return self.agreed + len(self.retrying) + len(self.parked)

    def add(self, other: Outcome) -> None:
        self.agreed += other.agreed
        self.retrying.update(other.retrying)
        self.parked.update(other.parked)
        for delay, ids in other.later.items():
            self.later[delay] += ids


def bring_home(record_ids: Iterable[str | UUID], *, using: str) -> Outcome:
    """Make the collections agree with the rows of these records.

    What one record, its file or its collection may do wrong is written into the record and
    never raised. Records that agree already, or that another worker has claimed, are left alone.

    Args:
        record_ids: ids of sync records, in any number.
        using: alias of the database that holds records and rows.
    """
    outcome = Outcome()
    waiting = {str(record_id) for record_id in record_ids}
    for _ in range(MAX_ROUNDS):
        by_collection: dict[str, list[str]] = defaultdict(list)
        alone: list[tuple[int, str, str]] = []
        wanted = unsettled(using).filter(pk__in=waiting)
        for record in wanted.only("collection", "leased_until", "attempts"):
            alias, key = record.collection, str(record.pk)
            if record.leased_until is None or record.leased_until >= timezone.now():
                by_collection[alias].append(key)
            else:
                # Its last worker ended, perhaps because of it: this one comes to it last, and
                # takes no other record along.
                alone.append((record.attempts, alias, key))
        waiting = set()
        for alias, ids in by_collection.items():
            size = _bulk_size(alias)
            for start in range(0, len(ids), size):
                waiting |= _Batch(alias, ids[start : start + size], using, outcome).run()
        for _, alias, key in sorted(alone):
            waiting |= _Batch(alias, [key], using, outcome).run()
        if not waiting:
            return outcome
    outcome.later[FIRST_DELAY] += sorted(waiting)
    return outcome


def sweep(*, using: str, limit: int | None = None, batch_size: int = 500) -> Outcome:
    """Bring home every record that is due, the longest due first; at most ``limit`` of them.

    Once none is left, images that an older version described are added again, up to the limit.
    """
    outcome = Outcome()
    started = due_before = timezone.now()
    while limit is None or outcome.worked_on < limit:
        size = batch_size if limit is None else min(batch_size, limit - outcome.worked_on)
        due = unsettled(using).filter(unclaimed(), due_at__lte=due_before).order_by("due_at", "pk")
        done = bring_home(list(due.values_list("pk", flat=True)[:size]), using=using)
        outcome.add(done)
        if not done.worked_on:  # none left, or other workers have them
            if not renew_outdated(using=using, limit=size, before=started):
                break
            due_before = timezone.now()
    swept.send_robust(
        sender=None,
        using=using,
        agreed=outcome.agreed,
        retrying=len(outcome.retrying),
        parked=len(outcome.parked),
        seconds=(timezone.now() - started).total_seconds(),
    )
    return outcome


def _bulk_size(alias: str) -> int:
    try:
        return collections[alias].bulk_size
    except (ImproperlyConfigured, ImportError):
        return 100  # the batch will say of each what is wrong


@dataclass(slots=True)
class _Image:
    """One claimed record and its row as it is now."""

    record: SyncRecord
    #: The file that the row names, whether it is to be indexed or not.
    name: str = ""
    #: The file to index; ``None`` if the collection should hold nothing.
    file: FieldFile | None = None
    #: Whether the row is there, with a file, and only its condition says no.
    unwanted: bool = False
    digest: str = ""
    failure: Failure | None = None
    #: Whether the collection has answered to adding it.
    answered: bool = False


class _Batch:
    """Records of one collection, claimed for as long as one bulk call lasts."""

    def __init__(self, alias: str, record_ids: list[str], using: str, outcome: Outcome) -> None:
        self.alias = alias
        self.using = using
        self.outcome = outcome
        self.claim = Claim(record_ids, using=using)
        #: Records that this batch has found out about.
        self.requested: set[str] = set()

    def run(self) -> set[str]:
        """Work on the records; return the ids of those to look at next, such as changed ones."""
        try:
            collection: BaseCollection | Exception = collections[self.alias]
        except (ImproperlyConfigured, ImportError) as error:
            collection = error
        images = [_Image(record) for record in self._claim(collection)]
        try:
            if isinstance(collection, Exception):
                for image in images:
                    self._note(image, collection)
            else:
                self._read_rows(images)
                self._delete([image for image in images if image.file is None], collection)
                self._add([image for image in images if image.file is not None], collection)
            again = self._settle_all(images)
        except BaseException:
            # Interrupted or without a database: let others have what this claim holds.
            self.claim.give_back()
            raise
        for image in images:
            if str(image.record.pk) not in again:
                self._tell(image)
        return again | self.requested

    def _claim(self, collection: BaseCollection | Exception) -> list[SyncRecord]:
        longest_call = 0.0 if isinstance(collection, Exception) else collection.longest_call
        records = self.claim.take(longest_call)
        if len(records) < len(self.claim.record_ids):
            # Their workers look again when they are done; this hint is in case that they die.
            for seconds, record_id in self.claim.held_by_others():
                self.outcome.later[seconds].append(record_id)
        return records

    def _read_rows(self, images: list[_Image]) -> None:
        """Find out what each row says now, one query per model."""
        by_field: dict[IndexedField, list[_Image]] = defaultdict(list)
        for image in images:
            field = field_by_label(image.record.model, image.record.field)
            if field is None:
                self._note(
                    image,
                    ImproperlyConfigured(
                        f"This code indexes no field {image.record.model}.{image.record.field}. "
                        "Deploy the code that does, or run visualsnoop_reindex --prune."
                    ),
                )
            elif field.collection != self.alias:
                pass  # it moved, and leaves this collection
            elif image.record.abandoned < MAX_ABANDONED or not self._give_up(image, field):
                by_field[field].append(image)
        for field, members in by_field.items():
            rows = self._rows(field, members)
            records = (image.record for image in members)
            self.requested |= request_other_spellings(field, records, rows, using=self.using)
            for image in members:
                if (row := rows.get(image.record.object_id)) is not None:
                    try:
                        file: FieldFile = getattr(row, field.name)
                        image.name = file.name or ""
                        wanted = not field.has_condition or row.visualsnoop_should_index()
                    except Exception as error:  # noqa: BLE001 -- the project's own code
                        self._note(image, error)
                        continue
                    image.unwanted = bool(file) and not wanted
                    image.file = file if file and wanted else None

    def _give_up(self, image: _Image, field: IndexedField) -> bool:
        """Fail an image that has ended one worker after the other; false if it has no file."""
        image.name = self._name(field, image)
        if image.name:
            image.failure = given_up(image.record.abandoned)
        return bool(image.name)

    def _name(self, field: IndexedField, image: _Image) -> str:
        """Return the name of the file, without loading the row."""
        return self._stored(field, [image]).values_list(field.name, flat=True).first() or ""

    def _stored(self, field: IndexedField, images: list[_Image]) -> QuerySet[Any]:
        keys = []
        for image in images:
            with suppress(ValidationError):  # no row can have what is no key
                keys.append(field.key_value(image.record.object_id, self.using))
        return field.owner._base_manager.using(self.using).filter(pk__in=keys)

    def _rows(self, field: IndexedField, images: list[_Image]) -> dict[str, Any]:
        rows = self._stored(field, images)
        try:
            return {field.object_id(row): row for row in rows}
        except DatabaseError:
            raise
        # An ImageField that keeps its dimensions may open the file of a row that is loaded.
        except Exception as error:  # noqa: BLE001 -- a storage's errors are its own
            if len(images) == 1:
                self._note(images[0], error)
                images[0].name = self._name(field, images[0])
                return {}
            found = (self._rows(field, [image]) for image in images)
            return {object_id: row for one in found for object_id, row in one.items()}

    def _delete(self, images: list[_Image], collection: BaseCollection) -> None:
        for image in images:
            if image.failure is None or image.failure.permanent:
                self._remove(image, collection)

    def _remove(self, image: _Image, collection: BaseCollection) -> None:
        """Make sure that the collection holds nothing under this id."""
        try:
            collection.delete_image(image.record.image_id)
        except (NotFoundError, InvalidImageIdError):
            pass  # an id that no collection takes is in none
        except Exception as error:  # noqa: BLE001 -- a backend's errors are its own
            self._note(image, error)

    def _add(self, images: list[_Image], collection: BaseCollection) -> None:
        by_id = {image.record.image_id: image for image in images}
        try:
            for image_id, result in collection.add_images(self._opened(images, collection)):
                by_id[image_id].answered = True
                if isinstance(result, Exception):
                    self._note(by_id[image_id], result)
        except Exception:  # now one at a time, so that only the culprit fails
            logger.exception("Adding %d images to %r failed", len(images), collection)
            for image in images:
                if not image.answered and image.failure is None:
                    self._add_one(image, collection)
        for image in images:
            # The older picture must not be found in the place of one that cannot be indexed.
            if image.failure is not None and image.failure.permanent:
                self._remove(image, collection)

    def _add_one(self, image: _Image, collection: BaseCollection) -> None:
        for image_id, data in self._opened([image], collection):
            try:
                collection.add_image(data, image_id, update_existing=True)
            except Exception as error:  # noqa: BLE001 -- a backend's errors are its own
                self._note(image, error)

    def _opened(
        self, images: list[_Image], collection: BaseCollection
    ) -> Iterator[tuple[str, bytes]]:
        """Read one file at a time, through the storage; note those that cannot be read."""
        for image in images:
            assert image.file is not None
            try:
                with image.file.open("rb") as file:
                    data = file.read(collection.max_bytes + 1)
                if len(data) > collection.max_bytes:
                    raise ImageRefusedError(
                        f"The file has more than {collection.max_bytes:,} bytes.",
                        reason="too_large",
                    )
            except Exception as error:  # noqa: BLE001 -- a storage's errors are its own
                self._note(image, error)
                continue
            image.digest = hashlib.sha256(data).hexdigest()
            yield image.record.image_id, data

    def _note(self, image: _Image, error: Exception) -> None:
        image.failure = judge(error, image.record.attempts)

    def _settle_all(self, images: list[_Image]) -> set[str]:
        """Write down how it went; return the ids of records wished for again meanwhile."""
        with transaction.atomic(using=self.using):
            free = set(lock_free(self.claim.records))
            at_once = [image for image in images if image.record.pk in free]
            again = {str(image.record.pk) for image in at_once if not self._settle(image)}
        # The others wait, one by one, for the wish that someone is writing just now.
        later = [image for image in images if image.record.pk not in free]
        return again | {str(image.record.pk) for image in later if not self._settle(image)}

    def _settle(self, image: _Image) -> bool:
        """Write down how it went; return whether nobody has wished again meanwhile."""
        record = image.record
        if image.failure is not None:
            settled = self._settle_failure(image, image.failure)
        elif image.file is None and not image.unwanted:
            settled = self.claim.delete(record)
        else:
            settled = self.claim.settle(
                record,
                applied=record.generation,
                wanted=not image.unwanted,
                due_at=None,
                attempts=0,
                reason_code="",
                reason="",
                name="" if image.file is None else image.name,
                digest=image.digest,
                synced_at=timezone.now(),
            )
        if settled:
            self.outcome.agreed += image.failure is None
            return True
        if not self.claim.release(record):
            # The claim ran out and another worker came: whose picture arrived last, nobody knows.
            wishes.wish_again(record, using=self.using)
        return False

    def _settle_failure(self, image: _Image, failure: Failure) -> bool:
        changes: dict[str, Any] = {"due_at": None, "name": image.name, "digest": image.digest}
        if failure.delay is not None:
            changes = {"due_at": timezone.now() + timedelta(seconds=failure.delay)}
        if not self.claim.settle(
            image.record, reason_code=failure.code, reason=failure.reason, **changes
        ):
            return False
        key = str(image.record.pk)
        if failure.delay is None:
            self.outcome.parked[key] = failure.reason
        else:
            self.outcome.retrying[key] = failure.reason
            self.outcome.later[failure.delay].append(key)
        return True

    def _tell(self, image: _Image) -> None:
        """Tell receivers and the log how it went, once that is written down."""
        record, failure = image.record, image.failure
        field = field_by_label(record.model, record.field)
        sender = None if field is None else field.owner
        if failure is None:
            image_synced.send_robust(
                sender=sender, record=record, using=self.using, stored=image.file is not None
            )
            return
        image_sync_failed.send_robust(
            sender=sender,
            record=record,
            using=self.using,
            reason_code=failure.code,
            reason=failure.reason,
            retry_in=failure.delay,
        )
        logger.warning(
            "%s is not in collection %r as it should be: %s",
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
