"""Error messages for the admin's users; the details go to the log."""

from __future__ import annotations

import logging

from django.utils.translation import gettext as _

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.common.reasons import translate_reason
from django_visualsnoop.outbox.retry import classify_error

logger = logging.getLogger("django_visualsnoop")


def plain_words(error: Exception) -> str:
    """Return an error as a sentence for users, and log the exception."""
    logger.info("The admin could not complete a request.", exc_info=error)
    if isinstance(error, OSError) and not isinstance(
        error, (VisualSnoopError, FileNotFoundError, IsADirectoryError)
    ):
        # The text of a storage or network error is for its operator: pools, hosts, ports.
        return _("A required service is not responding. Try again later.")
    failure = classify_error(error, attempts=1)
    return translate_reason(failure.code, failure.reason)
