"""What an editor is told when something cannot be done; the details are for the log."""

from __future__ import annotations

import logging

from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext as _

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    RateLimitedError,
    ServerError,
    TransportError,
    VisualSnoopError,
)

logger = logging.getLogger("django_visualsnoop")


def plain_words(error: Exception) -> str:
    """Return why something cannot be done, as a sentence; the error itself goes to the log."""
    logger.warning("The admin could not do what was asked", exc_info=error)
    match error:
        case TransportError():
            return _("The image search does not answer now. Try again later.")
        case RateLimitedError() | ServerError():
            return _("The image search is busy or out of order. Try again later.")
        case AuthenticationError():
            return _(
                "The image search refuses the keys. Check PUBLIC_KEY and SECRET_KEY in the "
                "VISUALSNOOP setting."
            )
        case VisualSnoopError():
            return str(error)
        case FileNotFoundError():
            return _("The file is not in the storage.")
        case SuspiciousOperation():
            return _("The storage refuses the file.")
        case _:
            return _("This cannot be done now. The log says why.")
