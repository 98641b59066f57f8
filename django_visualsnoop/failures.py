"""What a failure of syncing means: try again, and when, or wait until the image changes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    InvalidImageIdError,
    RateLimitedError,
    ServerError,
    TransportError,
)

#: Waits between attempts double from the first to the longest, in seconds.
FIRST_DELAY = 5.0
LONGEST_DELAY = 3600.0
#: After so many workers that did not survive an image, it waits until it changes or someone asks.
MAX_ABANDONED = 5
#: Longest reason kept in a record, in characters.
MAX_REASON = 1000
#: Codes of failures that are not the picture's own, and so are tried again.
NOT_THE_PICTURES = (
    "authentication",
    "rate_limited",
    "unreachable",
    "server_error",
    "misconfigured",
    "error",
)


@dataclass(frozen=True, slots=True)
class Failure:
    #: A word for programs.
    code: str
    #: A sentence for people.
    reason: str
    #: Seconds until the next attempt; ``None``: none until the image changes or someone asks.
    delay: float | None

    @property
    def permanent(self) -> bool:
        return self.delay is None


def judge(error: Exception, attempts: int) -> Failure:
    """Return what to do about an error.

    Args:
        error: what reading the file or calling the collection raised.
        attempts: how many attempts at this wish there have been, this one included.
    """
    words = _words(error)
    match error:
        case ImageRefusedError():
            return Failure(error.reason, words, None)
        case InvalidImageIdError():
            return Failure("invalid_image_id", words, None)
        case FileNotFoundError():
            return Failure(
                "file_missing", f"The file is not in the storage: {error}"[:MAX_REASON], None
            )
        case SuspiciousOperation() | IsADirectoryError():
            return Failure(
                "file_refused", f"The storage refuses the file: {error}"[:MAX_REASON], None
            )
        case AuthenticationError():
            code = "authentication"
            words = (
                f"The service refuses the keys ({words}). "
                "Check PUBLIC_KEY and SECRET_KEY in the VISUALSNOOP setting."
            )
        case RateLimitedError():
            code = "rate_limited"
        case TransportError():
            code = "unreachable"
        case ServerError():
            code = "server_error"
        case ImproperlyConfigured() | ImportError():
            code = "misconfigured"
        case _:
            code = "error"
    asked = getattr(error, "retry_after", None)
    return Failure(code, words[:MAX_REASON], max(backoff(attempts), asked or 0.0))


def given_up(abandoned: int) -> Failure:
    """Return what to write down of an image that so many workers in a row did not survive."""
    return Failure(
        "worker_lost",
        f"{abandoned} workers in a row ended in the midst of this image, which may need more "
        "memory or time than a worker has.",
        None,
    )


def backoff(attempts: int) -> float:
    """Return seconds to wait after so many attempts, half of it at random.

    Jitter keeps the records of one outage from coming back all at once
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(max(attempts, 1) - 1, 30))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads load, guards nothing


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    own = type(error).__module__.startswith("django_visualsnoop.")
    return (text if own else f"{type(error).__name__}: {text}")[:MAX_REASON]
