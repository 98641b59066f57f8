"""Return the same response to the same POST.

The old client's transport sends a POST again, with unchanged date and signature, if the connection
breaks before the response. Uploads within one second share a signature, so the body counts too.
Search results are not stored, because a search changes nothing.
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

#: After this time, the server refuses the date itself. It includes half an hour for clocks that are
#: adjusted.
RETAINED = OLDEST + NEWEST + timedelta(minutes=30)
PURGE_EVERY_SECONDS = 600.0

_purged_at = time.monotonic()


def compute_fingerprint(caller: Caller, body: bytes) -> str:
    """Return a hash of the key, signature and body, which identifies a request."""
    whose = f"{caller.key.public_key}\n{caller.signature}\n".encode()
    return sha256(whose + sha256(body).digest()).hexdigest()


def find_response(fingerprint: str) -> dict[str, Any] | None:
    """Return the response to the same request, or ``None``."""
    rows = StoredResponse.objects.using(database()).filter(pk=fingerprint)
    body = rows.values_list("body", flat=True).first()
    return None if body is None else json.loads(body)


def respond_once(
    fingerprint: str, collection_id: str, act: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Call ``act`` unless the same request already did, and return the one response to both.

    Of two concurrent requests, the second waits for the row that the first has inserted. If the
    first fails, its row is rolled back with everything else, and the second calls ``act``.

    Args:
        fingerprint: the fingerprint of the request.
        collection_id: the collection, with which the response is deleted.
        act: called in the transaction that stores its response; an error undoes everything.
    """
    rows = StoredResponse.objects.using(database())

    def attempt() -> dict[str, Any] | None:
        try:
            with transaction.atomic(using=database()):
                rows.create(
                    pk=fingerprint,
                    collection_id=collection_id,
                    body="",
                    created=timezone.now(),
                )
        except IntegrityError:
            return None
        answer = act()
        rows.filter(pk=fingerprint).update(body=json.dumps(answer))
        return answer

    answer = write_atomically(attempt)
    if answer is None:
        # Outside of the transaction, whose snapshot may be older than the other's commit.
        found = find_response(fingerprint)
        return respond_once(fingerprint, collection_id, act) if found is None else found
    _purge_now_and_then()
    return answer


def purge_responses() -> None:
    """Delete the responses to requests that the server would refuse by now."""
    StoredResponse.objects.using(database()).filter(created__lt=timezone.now() - RETAINED).delete()


def _purge_now_and_then() -> None:
    global _purged_at
    if time.monotonic() - _purged_at >= PURGE_EVERY_SECONDS:
        _purged_at = time.monotonic()
        try:
            purge_responses()
        except OperationalError as error:  # the response is sent, and another request purges
            if not is_lock_error(error):
                raise
            logger.info("Could not delete old stored responses now: %s", error)
