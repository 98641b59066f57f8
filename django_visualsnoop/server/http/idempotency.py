"""The same POST again is the same request, and gets the same answer.

The old client's transport sends a POST again, with date and signature unchanged, when the
connection breaks before the answer came. Uploads of one second share a signature, so the body
counts too. What a search finds is not kept: it changes nothing.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.server.http.vshmac import NEWEST, OLDEST
from django_visualsnoop.server.models import StoredResponse, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.server.http.authentication import Caller

logger = logging.getLogger("django_visualsnoop.server")

#: From then on the date itself is refused. Half an hour more, for clocks that are set.
RETAINED = OLDEST + NEWEST + timedelta(minutes=30)
PURGE_EVERY_SECONDS = 600.0

_purged_at = time.monotonic()


def compute_fingerprint(caller: Caller, body: bytes) -> str:
    """Return what tells a request from others: its key, its signature, its body."""
    whose = f"{caller.key.public_key}\n{caller.signature}\n".encode()
    return sha256(whose + sha256(body).digest()).hexdigest()


def find_response(fingerprint: str) -> dict[str, Any] | None:
    """Return what the same request was answered, or ``None``."""
    rows = StoredResponse.objects.using(database()).filter(pk=fingerprint)
    body = rows.values_list("body", flat=True).first()
    return None if body is None else json.loads(body)


def respond_once(fingerprint: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do something unless the same request did it, and return the one answer to both.

    Of two at once, the second waits at the row that the first has inserted. If the first fails,
    its row goes with all else that it did, and the second does it.

    Args:
        fingerprint: of the request.
        act: is called in the transaction that keeps its answer; an error undoes all.
    """
    rows = StoredResponse.objects.using(database())

    def attempt() -> dict[str, Any] | None:
        try:
            with transaction.atomic(using=database()):
                rows.create(pk=fingerprint, body="", created=timezone.now())
        except IntegrityError:
            return None
        answer = act()
        rows.filter(pk=fingerprint).update(body=json.dumps(answer))
        return answer

    answer = write_atomically(attempt)
    if answer is None:
        # Outside of the transaction, whose snapshot may be older than the other's commit.
        found = find_response(fingerprint)
        return respond_once(fingerprint, act) if found is None else found
    _purge_now_and_then()
    return answer


def purge_responses() -> None:
    """Delete the outcomes of requests that would be refused by now."""
    StoredResponse.objects.using(database()).filter(created__lt=timezone.now() - RETAINED).delete()


def _purge_now_and_then() -> None:
    global _purged_at
    if time.monotonic() - _purged_at >= PURGE_EVERY_SECONDS:
        _purged_at = time.monotonic()
        try:
            purge_responses()
        except OperationalError as error:  # the answer is given, and another request purges
            if not is_lock_error(error):
                raise
            logger.info("Could not delete old stored responses now: %s", error)
