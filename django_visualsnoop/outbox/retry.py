"""What a failure of syncing means: try again, and when, or wait until the image changes."""

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
    "out_of_time",
)
#: Refusals that a file may earn by being late, or by being written just now.
PASSING_REFUSALS = ("empty", "undecodable")
#: At which ages of a request, in seconds, its file is looked at again after such a refusal.
#: What it says after the last of them is final.
LOOKS = (5.0, 60.0, 600.0)
#: Longest code kept in a record, in characters.
MAX_CODE = 32


@dataclass(frozen=True, slots=True)
class Failure:
    #: A word for programs.
    code: str
    #: A sentence for people.
    reason: str
    #: Seconds until the next attempt; ``None``: none until the image changes or someone asks.
    delay: float | None

    #: Whether it is the picture's or the file's own, so that the collection is to hold nothing.
    own: bool = False

    @property
    def permanent(self) -> bool:
        return self.delay is None


def classify_error(error: Exception, attempts: int, *, age: float = math.inf) -> Failure:
    """Return what to do about an error.

    Args:
        error: what reading the file or calling the collection raised.
        attempts: how many attempts at this wish there have been, this one included.
        age: seconds since the wish. The file of a young one may be late or still be written.
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
            words = clean(f"The storage refuses the file: {error}")
            return Failure("file_refused", words, None, own=True)
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
    delay = max(backoff(attempts), min(asked or 0.0, LONGEST_DELAY))
    return Failure(code, words[:MAX_REASON], delay)


def _next_look(age: float) -> float | None:
    """Return seconds until a file is looked at again; ``None`` if what it said is final."""
    return next((look - age for look in LOOKS if look - age >= 1.0), None)


def _ran_out_of_memory(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return True
        cause = cause.__cause__
    return False


def out_of_time_failure(error: Exception, attempts: int) -> Failure:
    """Return what to write down of an image at which a worker's time limit struck."""
    return Failure(
        "out_of_time",
        f"The worker's time limit ended this attempt ({type(error).__name__}). If it goes on like "
        "that, give the task django_visualsnoop.sync_records more time.",
        backoff(attempts),
    )


def unwritable(failure: Failure) -> Failure:
    """Return a failure with a reason that every database takes: in ASCII."""
    reason = ascii(failure.reason)[1:-1][:MAX_REASON]
    return replace(failure, code=ascii(failure.code)[1:-1][:MAX_CODE], reason=reason)


def clean(text: str) -> str:
    r"""Return foreign text as every database takes it: NUL and lone surrogates as ``\x00``."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\0", "\\x00")[:MAX_REASON]


def given_up(abandoned: int) -> Failure:
    """Return what to write down of an image that so many workers in a row did not survive."""
    return Failure(
        "worker_lost",
        f"{abandoned} workers in a row ended in the midst of this image, which may need more "
        "memory or time than a worker has.",
        None,
        own=True,
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
    return clean(text if own else f"{type(error).__name__}: {text}")
