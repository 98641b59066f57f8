"""Observe the records during a run, and compare rows and collections at its end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import F, Q

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.models import SyncRecord
from tests.faults.rows import wanted

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.v1server import Service

PAUSE = 0.3


class Observer:
    """Count the records that are not in sync."""

    def __init__(self) -> None:
        self.looks = 0
        self.ever_out_of_sync: set[UUID] = set()
        self.most_at_once = 0
        #: How many are not in sync now; -1 if the database did not answer.
        self.now = -1

    def look(self) -> None:
        pending_records = SyncRecord.objects.filter(Q(applied=None) | ~Q(applied=F("generation")))
        try:
            found = set(pending_records.filter(due_at__isnull=False).values_list("pk", flat=True))
        except (DatabaseError, InterfaceError):  # cut like the others
            connection.close()
            self.now = -1
            return
        self.looks += 1
        self.ever_out_of_sync |= found
        self.most_at_once = max(self.most_at_once, len(found))
        self.now = len(found)

    def wait_until_in_sync(self, patience: float, each: Callable[[], object]) -> float | None:
        """Wait until no record is pending; return that time, or ``None`` if it took too long."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            each()
            self.look()
            if self.now == 0:
                return time.monotonic()
            time.sleep(PAUSE)
        return None


@dataclass
class Comparison:
    """The differences between collections and rows."""

    images: int = 0
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    #: Images whose content differs from that of the row's file.
    older: list[str] = field(default_factory=list)
    #: Images whose record is neither in sync nor failed.
    waiting: list[str] = field(default_factory=list)
    #: Reason → number of failed records whose file is not a picture.
    failed: Counter[str] = field(default_factory=Counter)
    #: Images that failed although their file is a picture, or without a reason.
    wrongly_failed: list[str] = field(default_factory=list)


def compare(service: Service) -> Comparison:
    found = Comparison()
    should, refused = wanted()
    there = {("default", image_id): stored.digest for image_id, stored in service.images.items()}
    live = IndexedImage.objects.filter(deleted__isnull=True, collection__name="archive")
    there |= {("archive", name): digest for name, digest in live.values_list("image_id", "digest")}
    found.images = len(there)
    found.missing = [_named(image) for image in should.keys() - there.keys()]
    found.extra = [_named(image) for image in there.keys() - should.keys()]
    both = should.keys() & there.keys()
    found.older = [_named(image) for image in both if should[image] != there[image]]
    for record in SyncRecord.objects.all():
        image = (record.collection, record.image_id)
        if record.state == SyncRecord.State.IN_SYNC:
            continue
        if record.state != SyncRecord.State.FAILED:
            found.waiting.append(f"{_named(image)}: {record.state.value} {record.reason}")
        elif image in refused and record.reason_code:
            found.failed[record.reason_code] += 1
        else:
            found.wrongly_failed.append(f"{_named(image)}: {record.reason or 'no reason'}")
    return found


def _named(image: tuple[str, str]) -> str:
    return f"{image[1]} in {image[0]}"
