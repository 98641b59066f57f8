"""What an editor is told when something cannot be done; the details are for the log."""

from __future__ import annotations

import logging

from django.utils.translation import gettext as _

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.outbox.retry import classify_error

logger = logging.getLogger("django_visualsnoop")


def plain_words(error: Exception) -> str:
    """Return why something cannot be done, as a sentence; the error itself goes to the log."""
    logger.info("The admin could not do what was asked", exc_info=error)
    if isinstance(error, OSError) and not isinstance(
        error, (VisualSnoopError, FileNotFoundError, IsADirectoryError)
    ):
        # Of a storage or a network, in words for whoever runs it: pools, hosts, ports.
        return _("What is needed for this does not answer now. Try again later.")
    return classify_error(error, attempts=1).reason
