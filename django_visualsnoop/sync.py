"""Bringing records home: one record → its collection. All rules of reconciling live here.

Level-triggered: a worker claims a record, reads the row *as it is now*, makes the collection
agree, and says so only if nobody has wished again meanwhile. So it does not matter how often,
how late or in which order it is called.
"""

from __future__ import annotations

import hashlib
import logging
import math
import random
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.files.storage import FileSystemStorage
from django.db import DatabaseError, connections
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
    out_of_time_failure,
    unwritable,
)
from django_visualsnoop.interruptions import is_interruption
from django_visualsnoop.locking import lock_free
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.options import field_by_label
from django_visualsnoop.signals import image_sync_failed, image_synced, swept, tell
from django_visualsnoop.spellings import request_other_spellings
from django_visualsnoop.sweeps import note_end, note_start
from django_visualsnoop.transactions import atomic_write, is_lock_error, retry_when_locked
from django_visualsnoop.upgrading import renew_outdated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from django.db.models import QuerySet
    from django.db.models.fields.files import FieldFile

    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.options import IndexedField

logger = logging.getLogger(__name__)

#: How often one call looks again at a record whose row keeps changing while it works.
MAX_ROUNDS = 5
#: How long a record must be due before any worker takes it along, in seconds; a sweeper that
#: runs every minute comes first.
OVERDUE_AFTER = 90.0
#: How many of those a worker takes along, and among how many it chooses.
OVERDUE_TAKEN, OVERDUE_CHOICE = 20, 200
#: After how many seconds of work what is done is written down, at the next chance.
SETTLE_EVERY = 0.5
#: A file that was written within so many seconds may be written again, as by a ``save()`` that
#: makes the picture smaller in place; and after how many seconds it is looked at again.
FRESH, LOOK_AGAIN_AFTER = 5.0, 10.0


@dataclass
class Outcome:
    """What became of the records that one call was given."""

    agreed: int = 0
    #: Record id → why, for those that failed and will be tried again.
    retrying: dict[str, str] = dataclass_field(default_factory=dict)
    #: Record id → why, for those that wait until their image changes or someone asks.
    parked: dict[str, str] = dataclass_field(default_factory=dict)
    #: Ids of records whose file was so new that it may be written again in a moment.
    fresh: list[str] = dataclass_field(default_factory=list)
    #: Seconds → ids of records to look at again after so long.
    later: dict[float, list[str]] = dataclass_field(default_factory=lambda: defaultdict(list))

    @property
    def worked_on(self) -> int:
        return self.agreed + len(self.retrying) + len(self.parked)

    def add(self, other: Outcome) -> None:
        self.agreed += other.agreed
        self.retrying.update(other.retrying)
        self.parked.update(other.parked)
        self.fresh += other.fresh
        for delay, ids in other.later.items():
            self.later[delay] += ids


def bring_home(
    record_ids: Iterable[str | UUID],
    *,
    using: str,
    outcome: Outcome | None = None,
    waits_for_files: bool = True,
) -> Outcome:
    """Make the collections agree with the rows of these records.

    What one record, its file or its collection may do wrong is written into the record and
    never raised. Records that agree already, or that another worker has claimed, are left alone.

    Args:
        record_ids: ids of sync records, in any number.
        using: alias of the database that holds records and rows.
        outcome: where to write what became of them; a new one if not given. A caller that may
            be interrupted finds in it what was done until then.
        waits_for_files: whether a file that is missing or broken may arrive later, if the
            request is young.

    Raises:
        DatabaseError: the database did not answer, or somebody held it for too long.
        Exception: what came from outside, such as a time limit. What was done is written down,
            and the rest is free for other workers.
    """
    outcome = Outcome() if outcome is None else outcome
    waiting = {str(record_id) for record_id in record_ids}
    for _ in range(MAX_ROUNDS):
        by_collection: dict[str, list[str]] = defaultdict(list)
        alone: list[tuple[int, str, str]] = []
        for record in _unsettled_among(waiting, using):
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
                chunk = ids[start : start + size]
                waiting |= _Batch(alias, chunk, using, outcome, waits_for_files).run()
        for _, alias, key in sorted(alone):
            waiting |= _Batch(alias, [key], using, outcome, waits_for_files).run()
        if not waiting:
            return outcome
    outcome.later[FIRST_DELAY] += sorted(waiting)
    return outcome


def _unsettled_among(record_ids: Iterable[str], using: str) -> list[SyncRecord]:
    wanted = unsettled(using).filter(pk__in=record_ids)
    fields = wanted.only("collection", "leased_until", "attempts")
    return retry_when_locked(lambda: list(fields), using=using)


def sweep(
    *, using: str, limit: int | None = None, batch_size: int = 500, outcome: Outcome | None = None
) -> Outcome:
    """Bring home every record that is due, the longest due first; at most ``limit`` of them.

    Once none is left, images that an older version described are added again, up to the limit.

    Args:
        using: alias of the database that holds records and rows.
        limit: how many records to work on; all if not given.
        batch_size: how many to take at a time.
        outcome: as for ``bring_home``, which also says what is raised.
    """
    outcome = Outcome() if outcome is None else outcome
    started = due_before = timezone.now()
    note_start(using)
    while limit is None or outcome.worked_on < limit:
        size = batch_size if limit is None else min(batch_size, limit - outcome.worked_on)
        before = outcome.worked_on
        bring_home(_due(using, due_before, size), using=using, outcome=outcome)
        if outcome.worked_on == before:  # none left, or other workers have them
            if not renew_outdated(using=using, limit=size, before=started):
                break
            due_before = timezone.now()
    note_end(using, outcome.worked_on)
    tell(
        swept,
        sender=None,
        using=using,
        agreed=outcome.agreed,
        retrying=len(outcome.retrying),
        parked=len(outcome.parked),
        seconds=(timezone.now() - started).total_seconds(),
    )
    return outcome


def bring_overdue_home(*, using: str) -> Outcome:
    """Bring home a few records that nobody came for, as whoever works on others does besides.

    So a project whose sweeper nobody started gets over lost hints all the same. Workers that do
    so at once choose among more than each takes, so that they seldom want the same ones.
    """
    before = timezone.now() - timedelta(seconds=OVERDUE_AFTER)
    found = _due(using, before, OVERDUE_CHOICE)
    if not found:
        return Outcome()
    return bring_home(random.sample(found, min(OVERDUE_TAKEN, len(found))), using=using)


def still_due(record_ids: Iterable[str], *, using: str) -> list[str]:
    """Return those of these records that are due and free, such as after an interruption."""
    due = unsettled(using).filter(unclaimed(), pk__in=record_ids, due_at__lte=timezone.now())
    ids = due.values_list("pk", flat=True)
    return sorted(map(str, retry_when_locked(lambda: list(ids), using=using)))


def bring_rewritten_home(record_ids: Iterable[str], *, using: str) -> Outcome:
    """Bring those records home whose file does not hold any more what was indexed.

    Args:
        record_ids: ids of records; those that do not agree are left to others.
        using: alias of the database that holds records and rows.
    """
    records = SyncRecord.objects.using(using).filter(pk__in=record_ids)
    agrees = SyncRecord.in_state(SyncRecord.State.AGREES)
    known = retry_when_locked(lambda: list(records.filter(agrees)), using=using)
    changed = [record.pk for record in known if _is_rewritten(record)]
    renewed = wishes.renew_free(records.filter(pk__in=changed), agrees) if changed else []
    return bring_home(renewed, using=using)


def _is_rewritten(record: SyncRecord) -> bool:
    field = field_by_label(record.model, record.field)
    if field is None or not record.name or not record.digest:
        return False
    column: Any = field.owner._meta.get_field(field.name)
    try:
        with column.storage.open(record.name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except Exception as error:  # a storage's errors are its own
        if is_interruption(error):
            raise
        return False  # it is gone, which its row says, or else an audit
    return digest != record.digest


def _is_fresh(file: FieldFile) -> bool:
    """Whether a file on a local disk was written a moment ago; others cannot be, in place."""
    if not isinstance(file.storage, FileSystemStorage) or not file.name:
        return False
    try:
        written = file.storage.get_modified_time(file.name)
    except Exception as error:  # a storage of the project's own may not know
        if is_interruption(error):
            raise
        return False
    # Without USE_TZ both are naive, in the zone that Django has given to the process.
    return (datetime.now(written.tzinfo) - written).total_seconds() < FRESH


def _due(using: str, before: datetime, count: int) -> list[UUID]:
    """Return the ids of records that are due since then and free, the longest due first."""
    due = unsettled(using).filter(unclaimed(), due_at__lte=before).order_by("due_at", "pk")
    ids = due.values_list("pk", flat=True)[:count]
    return retry_when_locked(lambda: list(ids), using=using)


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
    #: Whether its file was written only a moment ago.
    fresh: bool = False
    failure: Failure | None = None
    #: Whether the collection has answered to adding it.
    answered: bool = False
    #: Whether it only remains to write down how it went.
    done: bool = False
    settled: bool = False


class _Batch:
    """Records of one collection, claimed for as long as one bulk call lasts."""

    def __init__(
        self,
        alias: str,
        record_ids: list[str],
        using: str,
        outcome: Outcome,
        waits_for_files: bool,
    ) -> None:
        self.alias = alias
        self.using = using
        self.outcome = outcome
        self.waits_for_files = waits_for_files
        self.claim = Claim(record_ids, using=using)
        self.images: list[_Image] = []
        #: The image that is read or sent just now.
        self.in_hand: _Image | None = None
        #: Ids of records that have changed since they were claimed.
        self.again: set[str] = set()
        self.last_settled = time.monotonic()
        #: Records that this batch has found out about.
        self.requested: set[str] = set()

    def run(self) -> set[str]:
        """Work on the records; return the ids of those to look at next, such as changed ones."""
        try:
            collection: BaseCollection | Exception = collections[self.alias]
        except (ImproperlyConfigured, ImportError) as error:
            collection = error
        try:
            self.images = [_Image(record) for record in self._claim(collection)]
            if isinstance(collection, Exception):
                for image in self.images:
                    self._note(image, collection)
                    image.done = True
            else:
                self._read_rows(self.images)
                self._delete([one for one in self.images if one.file is None], collection)
                self._add([one for one in self.images if one.file is not None], collection)
            self._settle_done()
        except BaseException as error:
            self._let_go(error)
            raise
        return self.again | self.requested

    def _let_go(self, error: BaseException) -> None:
        """Write down what is done, and let others have what this claim holds still."""
        out_of_time = isinstance(error, Exception) and is_interruption(error)
        if out_of_time or not isinstance(error, Exception):
            if isinstance(error, Exception) and self.in_hand is not None and not self.in_hand.done:
                self.in_hand.failure = out_of_time_failure(error, self.in_hand.record.attempts)
                self.in_hand.done = True
            with suppress(DatabaseError):
                self._settle_done()
        progress = any(image.settled for image in self.images)
        self.claim.give_back(untouched=out_of_time and progress)

    def _claim(self, collection: BaseCollection | Exception) -> list[SyncRecord]:
        longest_call = 0.0 if isinstance(collection, Exception) else collection.longest_call
        records = self.claim.take(longest_call)
        if len(records) < len(self.claim.record_ids):
            # Their workers look again when they are done; this hint is in case that they die.
            held = retry_when_locked(lambda: list(self.claim.held_by_others()), using=self.using)
            for seconds, record_id in held:
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
        names = self._stored(field, [image]).values_list(field.name, flat=True)
        return retry_when_locked(names.first, using=self.using) or ""

    def _stored(self, field: IndexedField, images: list[_Image]) -> QuerySet[Any]:
        keys = []
        for image in images:
            with suppress(ValidationError):  # no row can have what is no key
                keys.append(field.key_value(image.record.object_id, self.using))
        return field.owner._base_manager.using(self.using).filter(pk__in=keys)

    def _rows(self, field: IndexedField, images: list[_Image]) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            return {field.object_id(row): row for row in self._stored(field, images)}

        try:
            return retry_when_locked(read, using=self.using)
        except DatabaseError:
            raise
        # An ImageField that keeps its dimensions may open the file of a row that is loaded.
        except Exception as error:  # a storage's errors are its own
            if is_interruption(error):
                raise
            if len(images) == 1:
                self._note(images[0], error)
                images[0].name = self._name(field, images[0])
                return {}
            found = (self._rows(field, [image]) for image in images)
            return {object_id: row for one in found for object_id, row in one.items()}

    def _delete(self, images: list[_Image], collection: BaseCollection) -> None:
        for image in images:
            if image.failure is None or image.failure.own:
                self._remove(image, collection)
            image.done = True
            self._settle_now_and_then()

    def _remove(self, image: _Image, collection: BaseCollection) -> None:
        """Make sure that the collection holds nothing under this id."""
        self.in_hand = image
        try:
            collection.delete_image(image.record.image_id)
        except (NotFoundError, InvalidImageIdError):
            pass  # an id that no collection takes is in none
        except Exception as error:  # noqa: BLE001 -- a backend's errors are its own
            self._note(image, error)

    def _add(self, images: list[_Image], collection: BaseCollection) -> None:
        for image, error in self._answers(images, collection):
            if error is not None:
                self._note(image, error)
            self._finish(image, collection)
        for image in images:
            if not image.done:
                self._finish(image, collection)

    def _answers(
        self, images: list[_Image], collection: BaseCollection
    ) -> Iterator[tuple[_Image, Exception | None]]:
        """Add the images; yield each with what went wrong, as soon as the collection tells."""
        by_id = {image.record.image_id: image for image in images}
        try:
            for image_id, result in collection.add_images(self._opened(images, collection)):
                by_id[image_id].answered = True
                yield by_id[image_id], result if isinstance(result, Exception) else None
            return
        except Exception as error:  # now one at a time, so that only the culprit fails
            if is_interruption(error):
                raise
            if is_lock_error(error):
                logger.info("%r is being written by others: adding one image at a time", collection)
            else:
                logger.exception("Adding %d images to %r failed", len(images), collection)
        for image in images:
            if not image.answered and image.failure is None:
                yield image, self._add_one(image, collection)

    def _add_one(self, image: _Image, collection: BaseCollection) -> Exception | None:
        for image_id, data in self._opened([image], collection):
            try:
                collection.add_image(data, image_id, update_existing=True)
            except Exception as error:  # noqa: BLE001 -- a backend's errors are its own
                return error
        return None  # or the file could not be read, which is noted

    def _finish(self, image: _Image, collection: BaseCollection) -> None:
        # The older picture must not be found in the place of one that cannot be indexed.
        if image.failure is not None and image.failure.own:
            self._remove(image, collection)
        image.done = True
        self._settle_now_and_then()

    def _opened(
        self, images: list[_Image], collection: BaseCollection
    ) -> Iterator[tuple[str, bytes]]:
        """Read one file at a time, through the storage; note those that cannot be read."""
        for image in images:
            assert image.file is not None
            self.in_hand = image
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
            image.fresh = _is_fresh(image.file)
            yield image.record.image_id, data

    def _note(self, image: _Image, error: Exception) -> None:
        """Note why an image failed; raise what says nothing about it."""
        if is_interruption(error):
            raise error
        age = math.inf
        if self.waits_for_files:
            age = (timezone.now() - image.record.wished_at).total_seconds()
        image.failure = judge(error, image.record.attempts, age=age)

    def _settle_now_and_then(self) -> None:
        if time.monotonic() - self.last_settled >= SETTLE_EVERY:
            self._settle_done()

    def _settle_done(self) -> None:
        """Write down how it went with those that are done, and tell of it."""
        ready = [image for image in self.images if image.done and not image.settled]
        if not ready:
            return
        try:
            results = self._settle_together(ready)
        except (DatabaseError, ValueError) as error:
            if is_lock_error(error) or connections[self.using].in_atomic_block:
                raise
            logger.warning("Settling %d records at once failed: %s", len(ready), error)
            results = [self._settle_alone(image) for image in ready]
        for image, result in zip(ready, results, strict=True):
            image.settled = True
            if result:
                self._count(image)
                self._tell(image)
            else:
                self.again.add(str(image.record.pk))
        self.last_settled = time.monotonic()

    def _settle_together(self, images: list[_Image]) -> list[bool]:
        """Write down how it went; return of each whether nobody has wished again meanwhile."""

        def settle_free() -> dict[UUID, bool]:
            with atomic_write(SyncRecord, using=self.using):
                free = set(lock_free(self.claim.records))
                at_once = [image for image in images if image.record.pk in free]
                return {image.record.pk: self._settle(image) for image in at_once}

        results = retry_when_locked(settle_free, using=self.using)
        # The others wait, one by one, for the wish that someone is writing just now.
        for image in images:
            if image.record.pk not in results:
                results[image.record.pk] = retry_when_locked(
                    partial(self._settle, image), using=self.using
                )
        return [results[image.record.pk] for image in images]

    def _settle_alone(self, image: _Image) -> bool:
        """Write down how it went with one image, or if the database refuses that, in ASCII."""
        try:
            return retry_when_locked(lambda: self._settle(image), using=self.using)
        except (DatabaseError, ValueError) as error:
            if is_lock_error(error):
                raise
            image.failure = unwritable(image.failure or judge(error, image.record.attempts))
            image.name = ascii(image.name)[1:-1]
            return retry_when_locked(lambda: self._settle(image), using=self.using)

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
        if not settled and not self.claim.release(record):
            # The claim ran out and another worker came: whose picture arrived last, nobody knows.
            wishes.wish_again(record, using=self.using)
        return settled

    def _settle_failure(self, image: _Image, failure: Failure) -> bool:
        changes: dict[str, Any] = {"due_at": None, "name": image.name, "digest": image.digest}
        if failure.delay is not None:
            changes = {"due_at": timezone.now() + timedelta(seconds=failure.delay)}
        return self.claim.settle(
            image.record, reason_code=failure.code, reason=failure.reason, **changes
        )

    def _count(self, image: _Image) -> None:
        key, failure = str(image.record.pk), image.failure
        if failure is None:
            self.outcome.agreed += 1
            if image.fresh:
                self.outcome.fresh.append(key)
        elif failure.delay is None:
            self.outcome.parked[key] = failure.reason
        else:
            self.outcome.retrying[key] = failure.reason
            self.outcome.later[failure.delay].append(key)

    def _tell(self, image: _Image) -> None:
        """Tell receivers and the log how it went, once that is written down."""
        record, failure = image.record, image.failure
        field = field_by_label(record.model, record.field)
        sender = None if field is None else field.owner
        if failure is None:
            tell(
                image_synced,
                sender=sender,
                record=record,
                using=self.using,
                stored=image.file is not None,
            )
            return
        tell(
            image_sync_failed,
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
