"""What a command says of a locked database."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.db import OperationalError, connections

from django_visualsnoop.management.locks import locked, telling_locks


def test_a_lock_is_told_with_what_to_type() -> None:
    with pytest.raises(CommandError) as caught, telling_locks("other", "manage.py go_on"):
        raise OperationalError(1213, "Deadlock found")
    assert "'other'" in str(caught.value)
    assert str(caught.value).endswith("let it end. Then type: manage.py go_on")


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(OperationalError, match="gone"), telling_locks("other", ""):
        raise OperationalError(2006, "gone away")


@pytest.mark.parametrize(
    ("vendor", "words"),
    [("sqlite", "The database 'other' ("), ("postgresql", "the same rows in the database 'other'")],
)
def test_only_sqlite_locks_the_whole_database(
    monkeypatch: pytest.MonkeyPatch, vendor: str, words: str
) -> None:
    monkeypatch.setattr(connections["other"], "vendor", vendor)
    assert words in locked("other")
