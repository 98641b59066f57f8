"""Exceptions that interrupt work from outside, such as a worker's time limit.

``except Exception`` does not catch ``KeyboardInterrupt`` and ``SystemExit``, but it does catch
Celery's soft time limit. Code that catches ``Exception`` must therefore call ``is_interruption()``.

This module imports only the standard library, so that every package may use it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Module and class of such exceptions. The code that raises one has imported its module.
_CLASSES = (
    ("billiard.exceptions", "SoftTimeLimitExceeded"),  # Celery
    ("rq.timeouts", "BaseTimeoutException"),
)


def is_interruption(error: BaseException) -> bool:
    """Whether an exception is an interruption, or was caused by one.

    Libraries wrap exceptions in their own, so this checks the causes as well.
    """
    classes = tuple(_known_classes())
    return any(
        isinstance(one, classes) or not isinstance(one, Exception) for one in _with_causes(error)
    )


def _known_classes() -> Iterator[type[BaseException]]:
    for module, name in _CLASSES:
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            yield found


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]
