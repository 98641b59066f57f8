"""Classify sync errors: retry after a delay, or fail until the image changes."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    InvalidImageIdError,
    RateLimitedError,
    ServerError,
    TransportError,
)

#: The delay between attempts doubles from the first to the longest, in seconds.
FIRST_DELAY = 5.0
LONGEST_DELAY = 3600.0
#: After this many workers in a row died while processing an image, it fails permanently.
MAX_ABANDONED = 5
#: Longest reason kept in a record, in characters.
MAX_REASON = 1000
#: Codes of failures that the picture does not cause, and that are therefore retried.
NOT_THE_PICTURES = (
    "authentication",
    "rate_limited",
    "unreachable",
    "server_error",
    "misconfigured",
    "error",
    "out_of_time",
)
#: Refusals that a file may cause because it arrives late, or is still being written.
PASSING_REFUSALS = ("empty", "undecodable")
#: At which ages of a request, in seconds, to read its file again after such a refusal. The result
#: of the last read is final.
LOOKS = (5.0, 60.0, 600.0)
#: Longest code kept in a record, in characters.
MAX_CODE = 32


@dataclass(frozen=True, slots=True)
class Failure:
    #: A code for programs.
    code: str
    #: A sentence for people.
    reason: str
    #: Seconds until the next attempt; ``None`` until the image changes or someone retries it.
    delay: float | None

    #: Whether the picture or its file is the cause, so the collection must not hold it.
    own: bool = False

    @property
    def permanent(self) -> bool:
        return self.delay is None


class CollectionBusyError(Exception):
    """A collection asks to send less, or later.

    Args:
        message: what the collection said.
        seconds: how long to wait.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def seconds_to_wait(error: Exception) -> float | None:
    """Return how long a collection asks to wait; ``None`` if the error says nothing of that."""
    asked: float | None = getattr(error, "retry_after", None)
    if asked is None and not isinstance(error, RateLimitedError):
        return None
    return min(max(asked or FIRST_DELAY, 1.0), LONGEST_DELAY)


def classify_error(error: Exception, attempts: int, *, age: float = math.inf) -> Failure:
    """Return how to handle an error.

    Args:
        error: the error from reading the file or from calling the collection.
        attempts: number of attempts to process this request, including this one.
        age: seconds since the request. The file of a recent request may arrive late or may still
            be being written.
    """
    words = _words(error)
    match error:
        case ImageRefusedError() if _ran_out_of_memory(error):
            return Failure("error", words, backoff(attempts))
        case ImageRefusedError():
            delay = _next_look(age) if error.reason in PASSING_REFUSALS else None
            return Failure(clean(error.reason)[:MAX_CODE], words, delay, own=True)
        case InvalidImageIdError():
            return Failure("invalid_image_id", words, None, own=True)
        case FileNotFoundError():
            words = clean(f"The file is not in the storage: {error}")
            return Failure("file_missing", words, _next_look(age), own=True)
        case SuspiciousOperation() | IsADirectoryError():
            words = clean(f"The storage refused to open the file: {error}")
            return Failure("file_refused", words, None, own=True)
        case AuthenticationError():
            code = "authentication"
            words = (
                f"The service refused the keys ({words}). "
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
    delay = max(backoff(attempts), min(asked or 0.0, LONGEST_DELAY))
    return Failure(code, words[:MAX_REASON], delay)


def _next_look(age: float) -> float | None:
    """Return seconds until the file is read again; ``None`` if the last result is final."""
    return next((look - age for look in LOOKS if look - age >= 1.0), None)


def _ran_out_of_memory(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return True
        cause = cause.__cause__
    return False


def out_of_time_failure(error: Exception, attempts: int) -> Failure:
    """Return the failure of an image whose attempt a worker's time limit has ended."""
    return Failure(
        "out_of_time",
        f"The worker reached its time limit ({type(error).__name__}). If this happens again, "
        "raise the time limit of the task django_visualsnoop.sync_records.",
        backoff(attempts),
    )


def unwritable(failure: Failure) -> Failure:
    """Return the failure with an ASCII reason, which every database accepts."""
    reason = ascii(failure.reason)[1:-1][:MAX_REASON]
    return replace(failure, code=ascii(failure.code)[1:-1][:MAX_CODE], reason=reason)


def clean(text: str) -> str:
    r"""Escape what a database may reject in foreign text: NUL and lone surrogates."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00")[:MAX_REASON]


def given_up(abandoned: int) -> Failure:
    """Return the failure of an image during which several workers in a row died."""
    return Failure(
        "worker_lost",
        f"{abandoned} workers in a row stopped while they processed this image. It may need more "
        "memory or time than a worker has.",
        None,
        own=True,
    )


def backoff(attempts: int) -> float:
    """Return seconds to wait after a number of attempts, half of it random.

    The jitter keeps the records of one outage from being retried all at once
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(max(attempts, 1) - 1, 30))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 -- not used for security


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    own = type(error).__module__.startswith("django_visualsnoop.")
    return clean(text if own else f"{type(error).__name__}: {text}")
