"""Responses to errors that every API and the pages share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django_visualsnoop.client.exceptions import REFUSAL_STATUS
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.transactions import RETRY_AFTER

if TYPE_CHECKING:
    from django_visualsnoop.engine.exceptions import DecodeError, IndexUnavailable

logger = logging.getLogger("django_visualsnoop.server")


def refuse_picture(error: DecodeError) -> Refused:
    """Return the response to bytes that the engine refuses as a picture."""
    return Refused(REFUSAL_STATUS.get(error.reason, 400), str(error))


def refuse_busy() -> Refused:
    """Return the response for when the wait for a lock took too long."""
    return Refused(
        503,
        f"The database is busy. Nothing was changed. Try again in {RETRY_AFTER} s.",
        {"Retry-After": str(RETRY_AFTER)},
    )


def refuse_without_index(error: IndexUnavailable) -> Refused:
    """Return the response for when the server of the index does not answer, and log why."""
    logger.error("The index cannot be searched: %s", error)
    return Refused(
        503,
        f"The index cannot be searched now. Try again in {RETRY_AFTER} s.",
        {"Retry-After": str(RETRY_AFTER)},
    )
