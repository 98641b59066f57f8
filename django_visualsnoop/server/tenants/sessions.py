"""Sessions that know their account, so that users can see and end their own.

Set ``SESSION_ENGINE = "django_visualsnoop.server.tenants.sessions"``. This extends Django's
database sessions as its documentation describes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore as DatabaseSession
from django.dispatch import receiver
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.dateparse import parse_datetime

from django_visualsnoop.server.models import AccountSession, database
from django_visualsnoop.server.tenants.tenancy import get_account_id

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpRequest

_SIGNED_IN = "visualsnoop_signed_in"
_MAX_AGENT_LENGTH = 500


class SessionStore(DatabaseSession):
    """Django's database sessions, with the account in a column."""

    @classmethod
    def get_model_class(cls) -> type[Any]:
        return AccountSession

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        made: Any = super().create_model_instance(data)
        made.account_id = data.get(SESSION_KEY, "")
        return made


@dataclass(frozen=True, slots=True)
class Session:
    """A place where a user is signed in."""

    #: Names the session on pages. The key would let others use the session.
    id: str
    #: The ``User-Agent``, and the address; empty if unknown.
    agent: str
    address: str
    since: datetime | None
    is_current: bool


def are_listed() -> bool:
    """Return whether the project uses these sessions."""
    engine = import_module(settings.SESSION_ENGINE)
    return issubclass(engine.SessionStore, SessionStore)


def list_sessions(user: Any, current_key: str | None) -> list[Session]:
    """Return the sessions of a user, the current one first, then the newest.

    Args:
        user: the user.
        current_key: the key of the session of this request.
    """
    found = [_describe(row, current_key) for row in _get_sessions(user)]
    found.sort(key=lambda one: one.since.timestamp() if one.since else 0, reverse=True)
    return sorted(found, key=lambda one: not one.is_current)


def end_sessions(user: Any, *, only: str | None = None, but: str | None = None) -> int:
    """End sessions of a user and return how many there were.

    Args:
        user: the user.
        only: the ``Session.id`` of the one to end; all if ``None``.
        but: the key of a session to keep.
    """
    keys = list(_get_sessions(user).values_list("session_key", flat=True))
    chosen = [key for key in keys if key != but and only in (None, _make_id(key))]
    AccountSession.objects.using(database()).filter(pk__in=chosen).delete()
    return len(chosen)


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest | None, **_: Any) -> None:
    """Store when and where a user signed in, for ``list_sessions``."""
    if request is not None and isinstance(request.session, SessionStore):
        request.session[_SIGNED_IN] = {
            "agent": request.headers.get("User-Agent", "")[:_MAX_AGENT_LENGTH],
            "address": request.META.get("REMOTE_ADDR") or "",
            "since": timezone.now().isoformat(),
        }


def _get_sessions(user: Any) -> QuerySet[AccountSession]:
    live = AccountSession.objects.using(database()).filter(expire_date__gt=timezone.now())
    return live.filter(account_id=get_account_id(user))


def _describe(row: AccountSession, current_key: str | None) -> Session:
    noted = SessionStore().decode(row.session_data).get(_SIGNED_IN, {})
    return Session(
        _make_id(row.session_key),
        noted.get("agent", ""),
        noted.get("address", ""),
        parse_datetime(noted.get("since", "")),
        row.session_key == current_key,
    )


def _make_id(session_key: str) -> str:
    return salted_hmac(__name__, session_key, algorithm="sha256").hexdigest()[:32]
