"""Create hosted collections, and create and revoke their keys."""

from __future__ import annotations

import logging
import secrets
import string
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import OperationalError
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.common.row_locks import lock_rows_by_update
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.models import HostedCollection, Key, database
from django_visualsnoop.server.tenants.encryption import encrypt
from django_visualsnoop.server.transactions import without_waiting, write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.db.models import QuerySet

logger = logging.getLogger("django_visualsnoop.server")

#: The old and the new key, while programs change from one to the other.
MAX_LIVE_KEYS = 2
SCOPES = ("read", "search", "write")
#: The minimum interval between updates of ``last_used_at``.
USE_NOTED_EVERY = timedelta(minutes=1)

_SECRET_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 40


class TooManyKeys(ValueError):  # noqa: N818
    """The collection already has ``MAX_LIVE_KEYS`` active keys."""


class NoSuchCollection(LookupError):  # noqa: N818
    """No hosted collection has this id."""


class NoSuchKey(LookupError):  # noqa: N818
    """The key does not exist, or is revoked already."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key with its secret, which nothing can show later."""

    key: Key
    secret: str = field(repr=False)


def make_collection(owner: Any, name: str) -> HostedCollection:
    """Create a hosted collection without keys.

    Args:
        owner: a saved user.
        name: the name of the collection; not unique.
    """

    def work() -> HostedCollection:
        made = HostedCollection.objects.using(database()).create(owner=owner, name=name)
        # Create this now: if the first uploads created it concurrently, each in a transaction that
        # holds other rows, they could deadlock on MariaDB.
        Store(database(), made.gallery_name).get_or_create_collection_id()
        return made

    return write_atomically(work)


@sensitive_variables("secret")
def make_key(
    collection_id: str,
    *,
    scopes: Collection[str] = SCOPES,
    not_before: datetime | None = None,
    expires_at: datetime | None = None,
    allow_v1: bool = True,
) -> NewKey:
    """Create a key for a hosted collection.

    Args:
        collection_id: the id of the collection, 8 hexadecimal digits.
        scopes: what the key allows: one or more of ``SCOPES``.
        not_before, expires_at: the times from which and until which the server accepts the key; no
            limit if ``None``.
        allow_v1: whether the server accepts VSHMAC signatures of API v1 with this key.

    Raises:
        NoSuchCollection: the collection does not exist.
        TooManyKeys: the collection has two active keys, including keys for later.
        ValueError: a scope is unknown, or ``scopes`` is empty.
    """
    unknown = set(scopes).difference(SCOPES)
    if unknown or not scopes:
        raise ValueError(
            f"Unknown scope {', '.join(map(repr, sorted(unknown)))}; use {', '.join(SCOPES)}."
            if unknown
            else f"A key must have at least one scope; use {', '.join(SCOPES)}."
        )
    secret = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(_SECRET_LENGTH))
    new = NewKey(
        Key(
            collection_id=collection_id,
            encrypted_secret=encrypt(secret),
            not_before=not_before,
            expires_at=expires_at,
            allow_v1=allow_v1,
            **{f"may_{scope}": scope in scopes for scope in SCOPES},
        ),
        secret,
    )
    write_atomically(lambda: _insert(new.key))
    return new


def _insert(key: Key) -> None:
    hosted = HostedCollection.objects.using(database()).filter(pk=key.collection_id)
    # The lock makes concurrent calls count one after the other.
    if not lock_rows_by_update(hosted, "name"):
        raise NoSuchCollection(f"No hosted collection has the id {key.collection_id!r}.")
    live = list(get_live_keys(key.collection_id).values_list("public_key", flat=True))
    if len(live) >= MAX_LIVE_KEYS:
        raise TooManyKeys(
            f"The collection {key.collection_id} has {len(live)} active keys, "
            f"{' and '.join(live)}; at most {MAX_LIVE_KEYS} are allowed. To revoke one, type: "
            f"python manage.py visualsnoop_revokekey {live[0]}"
        )
    key.pk = None
    key.save(using=database(), force_insert=True)


def get_live_keys(collection_id: str) -> QuerySet[Key]:
    """Return the keys that are or will be accepted, oldest first."""
    return (
        Key.objects.using(database())
        .filter(collection_id=collection_id, revoked_at__isnull=True)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()))
        .order_by("created", "pk")
    )


def revoke_key(public_key: str) -> None:
    """Revoke a key. Every process refuses it from the next request on.

    Raises:
        NoSuchKey: the key does not exist, or is revoked already.
    """
    live = Key.objects.using(database()).filter(public_key=public_key, revoked_at__isnull=True)
    if not write_atomically(lambda: live.update(revoked_at=timezone.now())):
        raise NoSuchKey(f"No key {public_key!r} exists, or it is revoked already.")


def explain_refusal(key: Key, now: datetime) -> str | None:
    """Return why a key is not accepted now, or ``None``."""
    if key.revoked_at is not None:
        return "This key is revoked. Use another one."
    if key.not_before is not None and now < key.not_before:
        return f"This key is not accepted before {key.not_before.isoformat()}."
    if key.expires_at is not None and now >= key.expires_at:
        return f"This key expired at {key.expires_at.isoformat()}. Use another one."
    return None


def note_use(key: Key, now: datetime) -> None:
    """Record that a key was used, at most once a minute.

    A request never waits or fails because of this. If another writer holds the lock, a later
    request records it.
    """
    before = now - USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at >= before:
        return
    rows = Key.objects.using(database()).filter(pk=key.pk)
    # Of several concurrent requests, one writes.
    unnoted = rows.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lt=before))
    try:
        with without_waiting(database()):
            unnoted.update(last_used_at=now)
    except OperationalError as error:
        if not is_lock_error(error):
            raise
        logger.debug("Could not record the use of key %s now: %s", key.public_key, error)
