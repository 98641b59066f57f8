"""Exceptions that say nothing about the work that they end, such as a worker's time limit.

``KeyboardInterrupt`` and ``SystemExit`` are no ``Exception``, so ``except Exception`` lets them
through. Celery's soft time limit is one: whoever catches any ``Exception`` asks here first.

This module imports nothing outside the standard library, so that every room may use it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Module and class of such exceptions. Whoever raises one has imported its module.
_CLASSES = (
    ("billiard.exceptions", "SoftTimeLimitExceeded"),  # Celery
    ("rq.timeouts", "BaseTimeoutException"),
)


def is_interruption(error: BaseException) -> bool:
    """Whether an exception came from outside, or was raised because of one that did.

    Libraries wrap whatever they meet in errors of their own, so its causes count, too.
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
