"""The limits of keys, collections and mails.

The database counts their use. Django's default cache belongs to one process, so a service with
several processes would allow several times as much.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext

from django_visualsnoop.common.transactions import retry_when_locked
from django_visualsnoop.engine.exceptions import ImageMissing
from django_visualsnoop.server import transactions
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import Key, MailLimit, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from django_visualsnoop.engine.storage.store import Store
    from django_visualsnoop.server.models import HostedCollection

_MINUTE = 60_000_000  # microseconds
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR

#: Mails to one address, and mails that one account or one network address causes.
MAILS_PER_HOUR = 5
MAILS_CAUSED_PER_HOUR = 30


def throttle_request(key: Key) -> None:
    """Count a request against its key's limit; executes a statement only if there is a limit.

    Raises:
        Refused: 429, with the seconds to wait in ``Retry-After``.
    """
    limit = key.collection.requests_per_minute
    if limit is not None:
        what = f"send {limit} requests per minute"
        _throttle(key, "requests_used_until", _MINUTE // limit, _MINUTE, what)


def throttle_upload(key: Key, length: int) -> None:
    """Count an upload against its key's limit; executes a statement only if there is a limit.

    Args:
        key: the key; the limit is its collection's.
        length: the length in bytes, before any decoding.

    Raises:
        Refused: 429, with the seconds to wait in ``Retry-After``; without it if the upload is
            longer than a day's bytes, since waiting does not help.
    """
    limit = key.collection.bytes_per_day
    if limit is None or not length:
        return
    what = f"upload {limit:,} bytes per day"
    if length > limit:
        raise Refused(429, f"This key may {what}; this upload has {length:,}.")
    _throttle(key, "bytes_used_until", length * _DAY // limit, _DAY, what)


def throttle_mail(recipient: str, sender: str) -> None:
    """Count a mail against the limits of who gets it and who causes it.

    Args:
        recipient: the e-mail address.
        sender: who causes it, such as ``"address 192.0.2.1"`` or ``"account 7"``.

    Raises:
        Refused: 429, with the seconds to wait in ``Retry-After``.
    """
    _delete_old_limits()
    for subject, per_hour in (
        (f"from {sender}", MAILS_CAUSED_PER_HOUR),
        (f"to {recipient.lower()}", MAILS_PER_HOUR),
    ):
        digest = salted_hmac(__name__, subject, algorithm="sha256").hexdigest()
        seconds = write_atomically(partial(_count_mail, digest, _HOUR // per_hour))
        if seconds:
            minutes = -(-seconds // 60)
            text = ngettext(
                "The server has sent too many mails for you. Try again in %(minutes)d minute.",
                "The server has sent too many mails for you. Try again in %(minutes)d minutes.",
                minutes,
            )
            raise Refused(429, text % {"minutes": minutes}, {"Retry-After": str(seconds)})


def _count_mail(digest: str, share: int) -> int:
    rows = MailLimit.objects.using(database()).filter(pk=digest)
    new = MailLimit(pk=digest, used_until=0)
    MailLimit.objects.using(database()).bulk_create([new], ignore_conflicts=True)
    return _count_use(rows, "used_until", share, _HOUR)


def _delete_old_limits() -> None:
    old = MailLimit.objects.using(database()).filter(used_until__lt=_now() - _DAY)
    found = list(old.values_list("pk", flat=True)[:100])
    if found:
        write_atomically(old.filter(pk__in=found).delete)


def _throttle(key: Key, column: str, share: int, period: int, what: str) -> None:
    """Count the use of a key against a limit, or refuse it.

    Args:
        key: the key.
        column, share, period: see ``_count_use``.
        what: the use, for the message.
    """
    rows = Key.objects.using(database()).filter(pk=key.pk)
    seconds = retry_when_locked(
        lambda: _count_use(rows, column, share, period),
        using=database(),
        patience=transactions.PATIENCE,
    )
    if seconds:
        raise Refused(
            429,
            f"This key may {what}. Try again in {seconds} s.",
            {"Retry-After": str(seconds)},
        )


def _count_use(rows: QuerySet[Any], column: str, share: int, period: int) -> int:
    """Count a use against a limit; return 0, or the seconds to wait if it is used up.

    This is the generic cell rate algorithm of ITU-T I.371: each use takes its share of the period,
    and a user may be ahead of the clock by at most one period. One that was idle may use the whole
    limit at once, and then only at the average rate. One statement decides, so concurrent requests
    cannot exceed the limit.

    Args:
        rows: the row that counts.
        column: the column of the time up to which the limit is used, in microseconds since 1970.
        share, period: microseconds.
    """
    now = _now()
    latest = now + period - share
    used_until = Greatest(F(column), Value(now)) + Value(share)
    if rows.filter(**{f"{column}__lte": latest}).update(**{column: used_until}):
        return 0
    present: int = rows.values_list(column, flat=True).first() or latest
    return max(1, -(-(present - latest) // 1_000_000))


def _now() -> int:
    return time.time_ns() // 1000


def require_room(collection: HostedCollection, store: Store, image_id: str) -> None:
    """Check that one more image fits into a collection.

    Call this in the writing transaction. If there is a limit, call it after the transaction has
    locked the collection alone; see ``transactions.lock_collection``.

    Args:
        collection: the collection that has the limit.
        store: the store of its images.
        image_id: needs no room if this image exists.

    Raises:
        Refused: 429, without ``Retry-After``: waiting does not help.
    """
    limit = collection.max_images
    if limit is None:
        return
    try:
        store.get(image_id)
    except ImageMissing:
        if store.count() >= limit:
            raise _refuse_full(limit) from None


def require_room_for(collection: HostedCollection, store: Store, more: int) -> None:
    """Check that several more images fit into a collection; see ``require_room``."""
    limit = collection.max_images
    if limit is None:
        return
    if more and store.count() + more > limit:
        raise _refuse_full(limit)


def _refuse_full(limit: int) -> Refused:
    return Refused(
        429,
        f"The collection is full: it may hold {limit:,} images. Delete some, or ask the "
        "administrator of the server for a higher limit.",
    )
