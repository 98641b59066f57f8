"""What to answer to errors that every API and the pages know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.client.exceptions import REFUSAL_STATUS
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.transactions import RETRY_AFTER

if TYPE_CHECKING:
    from django_visualsnoop.engine.exceptions import DecodeError


def refuse_picture(error: DecodeError) -> Refused:
    """Return what to answer to bytes that the engine does not take for a picture."""
    return Refused(REFUSAL_STATUS.get(error.reason, 400), str(error))


def refuse_busy() -> Refused:
    """Return what to answer when a lock was in the way for too long."""
    return Refused(
        503,
        f"The database is busy. Nothing was changed. Try again in {RETRY_AFTER} s.",
        {"Retry-After": str(RETRY_AFTER)},
    )
