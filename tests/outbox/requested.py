"""Which request a row has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import models, transaction

from tests.fixtures import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def generation(row: models.Model, field: str = "photo") -> int:
    return record_of(row, field).generation


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
