"""What a signal tells."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.dispatch import Signal


@contextmanager
def received(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    told: list[dict[str, Any]] = []

    def receiver(**kwargs: Any) -> None:
        told.append(kwargs)

    signal.connect(receiver)
    try:
        yield told
    finally:
        signal.disconnect(receiver)
