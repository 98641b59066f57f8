"""Process the records of one collection together: read their rows, then add and delete images."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections import defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import DatabaseError
from django.utils import timezone

from django_visualsnoop.client.exceptions import (
    ImageRefusedError,
    InvalidImageIdError,
    NotFoundError,
)
from django_visualsnoop.collections import collections
from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.transactions import is_lock_error, retry_when_locked
from django_visualsnoop.indexed.options import field_by_label
from django_visualsnoop.outbox.leases import Lease
from django_visualsnoop.outbox.retry import (
    MAX_ABANDONED,
    CollectionBusyError,
    Failure,
    classify_error,
    given_up,
    out_of_time_failure,
    seconds_to_wait,
)
from django_visualsnoop.sync.finalize import Finalizer
from django_visualsnoop.sync.reading import ReadAhead
from django_visualsnoop.sync.rewritten import is_fresh
from django_visualsnoop.sync.spellings import request_other_spellings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.db.models.fields.files import FieldFile

    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.outbox.record import SyncRecord
    from django_visualsnoop.sync.outcome import Outcome

#: The logger that all modules of sync share.
logger = logging.getLogger("django_visualsnoop.sync.worker")

#: How often to finalize processed images, and to renew the lease of the others, in seconds.
FINALIZE_EVERY, RENEW_EVERY = 0.5, 15.0


@dataclass(slots=True)
class LeasedImage:
    """One leased record, and its row as it is now."""

    record: SyncRecord
    #: The name of the row's file, whether the row wants it indexed or not.
    name: str = ""
    #: The file to index; ``None`` if the collection should hold nothing.
    file: FieldFile | None = None
    #: Whether the row exists and has a file, but its condition excludes it.
    unwanted: bool = False
    digest: str = ""
    #: Whether its file was modified only a few seconds ago.
    fresh: bool = False
    failure: Failure | None = None
    #: Whether the collection has returned a result for it.
    answered: bool = False
    #: Whether it is processed and only needs to be finalized.
    done: bool = False
    finalized: bool = False


class Batch:
    """Records of one collection, leased together."""

    def __init__(
        self,
        alias: str,
        record_ids: list[str],
        using: str,
        outcome: Outcome,
        waits_for_files: bool,
        stops_when_busy: bool = False,
    ) -> None:
        self.alias = alias
        self.using = using
        self.outcome = outcome
        self.waits_for_files = waits_for_files
        self.stops_when_busy = stops_when_busy
        self.lease = Lease(record_ids, using=using)
        self.finalize = Finalizer(alias, self.lease, outcome)
        self.images: list[LeasedImage] = []
        #: The image that is being read or sent.
        self.in_hand: LeasedImage | None = None
        #: Ids of records that have changed since they were leased.
        self.again: set[str] = set()
        self.last_finalized = self.last_renewed = time.monotonic()
        #: Ids of records that this batch has requested.
        self.requested: set[str] = set()

    def run(self) -> set[str]:
        """Process the records; return the ids to process next, such as those of changed ones."""
        try:
            collection: BaseCollection | Exception = collections[self.alias]
        except (ImproperlyConfigured, ImportError) as error:
            collection = error
        try:
            self.images = [LeasedImage(record) for record in self._acquire(collection)]
            if isinstance(collection, Exception):
                for image in self.images:
                    self._note(image, collection)
                    image.done = True
            else:
                self._read_rows(self.images)
                self._delete([one for one in self.images if one.file is None], collection)
                self._add([one for one in self.images if one.file is not None], collection)
            self._finalize_done()
        except BaseException as error:
            self._let_go(error)
            raise
        return self.again | self.requested

    def _let_go(self, error: BaseException) -> None:
        """Finalize what is done, and release the other records of this lease."""
        out_of_time = isinstance(error, Exception) and is_interruption(error)
        if isinstance(error, CollectionBusyError):
            with suppress(DatabaseError):
                self._finalize_done()
            self.lease.give_back(unattempted=True, delay=error.seconds)
            return
        if out_of_time or not isinstance(error, Exception):
            if isinstance(error, Exception) and self.in_hand is not None and not self.in_hand.done:
                self.in_hand.failure = out_of_time_failure(error, self.in_hand.record.attempts)
                self.in_hand.done = True
            with suppress(DatabaseError):
                self._finalize_done()
        progress = any(image.finalized for image in self.images)
        self.lease.give_back(unattempted=out_of_time and progress)

    def _acquire(self, collection: BaseCollection | Exception) -> list[SyncRecord]:
        longest_call = 0.0 if isinstance(collection, Exception) else collection.longest_call
        records = self.lease.acquire(longest_call)
        if len(records) < len(self.lease.record_ids):
            # Their workers check for changes when they finish. Dispatch these in case one dies.
            held = retry_when_locked(lambda: list(self.lease.leased_by_others()), using=self.using)
            for seconds, record_id in held:
                self.outcome.later[seconds].append(record_id)
        return records

    def _read_rows(self, images: list[LeasedImage]) -> None:
        """Read the current rows, one query per model."""
        by_field: dict[IndexedField, list[LeasedImage]] = defaultdict(list)
        for image in images:
            field = field_by_label(image.record.model, image.record.field)
            if field is None:
                self._note(
                    image,
                    ImproperlyConfigured(
                        f"The code does not index {image.record.model}.{image.record.field}. "
                        "Deploy code that indexes it, or run visualsnoop_reindex --prune."
                    ),
                )
            elif field.collection != self.alias:
                pass  # the field moved to another collection: delete the image here
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

    def _give_up(self, image: LeasedImage, field: IndexedField) -> bool:
        """Fail an image during which too many workers have died; false if it has no file."""
        image.name = self._name(field, image)
        if image.name:
            image.failure = given_up(image.record.abandoned)
        return bool(image.name)

    def _name(self, field: IndexedField, image: LeasedImage) -> str:
        """Return the name of the file, without loading the row."""
        names = self._stored(field, [image]).values_list(field.name, flat=True)
        return retry_when_locked(names.first, using=self.using) or ""

    def _stored(self, field: IndexedField, images: list[LeasedImage]) -> QuerySet[Any]:
        keys = []
        for image in images:
            with suppress(ValidationError):  # no row can have an invalid key
                keys.append(field.key_value(image.record.object_id, self.using))
        return field.owner._base_manager.using(self.using).filter(pk__in=keys)

    def _rows(self, field: IndexedField, images: list[LeasedImage]) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            return {field.object_id(row): row for row in self._stored(field, images)}

        try:
            return retry_when_locked(read, using=self.using)
        except DatabaseError:
            raise
        # Loading a row may open its file, if an ImageField has dimension fields.
        except Exception as error:  # a storage may raise anything
            if is_interruption(error):
                raise
            if len(images) == 1:
                self._note(images[0], error)
                images[0].name = self._name(field, images[0])
                return {}
            found = (self._rows(field, [image]) for image in images)
            return {object_id: row for one in found for object_id, row in one.items()}

    def _delete(self, images: list[LeasedImage], collection: BaseCollection) -> None:
        for image in images:
            if image.failure is None or image.failure.own:
                self._remove(image, collection)
            image.done = True
            self._finalize_now_and_then()

    def _remove(self, image: LeasedImage, collection: BaseCollection) -> None:
        """Delete this image from the collection, if it is there."""
        self.in_hand = image
        try:
            collection.delete_image(image.record.image_id)
        except (NotFoundError, InvalidImageIdError):
            pass  # no collection holds an image with an invalid id
        except Exception as error:  # noqa: BLE001 -- a backend may raise anything
            self._note(image, error)

    def _add(self, images: list[LeasedImage], collection: BaseCollection) -> None:
        if not images:
            return
        self.places = {image.record.pk: place for place, image in enumerate(images)}
        files = [image.file for image in images if image.file is not None]
        with closing(ReadAhead(files, collection.max_bytes + 1)) as self.reader:
            self.known = self._known_digests(images, collection)
            for some in batched(images, collection.bulk_size):
                for image, error in self._answers(some, collection):
                    if error is not None:
                        self._note(image, error)
                    self._finish(image, collection)
                for image in some:
                    if not image.done:
                        self._finish(image, collection)

    def _known_digests(
        self, images: list[LeasedImage], collection: BaseCollection
    ) -> dict[str, str]:
        """Return the digests of the images that the collection need not describe again.

        A new image, and one whose description was requested anew, has no digest in its record.
        """
        digests = {one.record.image_id: one.record.digest for one in images if one.record.digest}
        if not digests:
            return {}
        try:
            known = collection.known_digests(list(digests))
        except Exception as error:  # a backend may raise anything; add_images() tells why
            if is_interruption(error):
                raise
            return {}
        return {key: digest for key, digest in known.items() if digests.get(key) == digest}

    def _answers(
        self, images: list[LeasedImage], collection: BaseCollection
    ) -> Iterator[tuple[LeasedImage, Exception | None]]:
        """Add the images; yield each with its error or ``None`` as soon as its result is known."""
        by_id = {image.record.image_id: image for image in images}
        try:
            for image_id, result in collection.add_images(self._opened(images, collection)):
                by_id[image_id].answered = True
                yield by_id[image_id], result if isinstance(result, Exception) else None
            return
        except Exception as error:  # add them one at a time, so that only the culprit fails
            if is_interruption(error):
                raise
            if is_lock_error(error):
                logger.info("%r is locked. Adding one image at a time.", collection)
            else:
                logger.exception("Could not add %d images to %r together.", len(images), collection)
        for image in images:
            if not image.answered and image.failure is None:
                yield image, self._add_one(image, collection)

    def _add_one(self, image: LeasedImage, collection: BaseCollection) -> Exception | None:
        for image_id, data in self._opened([image], collection):
            try:
                collection.add_image(data, image_id, update_existing=True)
            except Exception as error:  # noqa: BLE001 -- a backend may raise anything
                return error
        return None  # added, or _opened() has noted why the file cannot be read

    def _finish(self, image: LeasedImage, collection: BaseCollection) -> None:
        # Searches must not find the old picture in place of one that cannot be indexed.
        if image.failure is not None and image.failure.own:
            self._remove(image, collection)
        image.done = True
        self._finalize_now_and_then()

    def _opened(
        self, images: list[LeasedImage], collection: BaseCollection
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the content of the files that the collection has to add; note errors."""
        for image in images:
            assert image.file is not None
            self.in_hand = image
            try:
                data = self.reader.read(self.places[image.record.pk])
                if len(data) > collection.max_bytes:
                    raise ImageRefusedError(
                        f"The file is larger than {collection.max_bytes:,} bytes.",
                        reason="too_large",
                    )
            except Exception as error:  # noqa: BLE001 -- a storage may raise anything
                self._note(image, error)
                continue
            image.digest = hashlib.sha256(data).hexdigest()
            image.fresh = is_fresh(image.file)
            if self.known.get(image.record.image_id) == image.digest:
                image.answered = image.done = True
            else:
                yield image.record.image_id, data

    def _note(self, image: LeasedImage, error: Exception) -> None:
        """Note why an image failed. Raise interruptions, which say nothing about the image."""
        if is_interruption(error):
            raise error
        if self.stops_when_busy and (seconds := seconds_to_wait(error)) is not None:
            raise CollectionBusyError(str(error), seconds) from error
        age = math.inf
        if self.waits_for_files:
            age = (timezone.now() - image.record.requested_at).total_seconds()
        image.failure = classify_error(error, image.record.attempts, age=age)

    def _finalize_now_and_then(self) -> None:
        now = time.monotonic()
        if now - self.last_finalized >= FINALIZE_EVERY:
            self._finalize_done()
        if now - self.last_renewed >= RENEW_EVERY:
            self.lease.renew()
            self.last_renewed = now

    def _finalize_done(self) -> None:
        """Finalize the images that are done."""
        ready = [image for image in self.images if image.done and not image.finalized]
        if ready:
            self.again |= self.finalize.finalize(ready)
            self.last_finalized = time.monotonic()
