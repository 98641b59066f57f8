"""The harness sees what it looks for."""

from __future__ import annotations

import pytest

from tests.stock.load import OPERATIONS
from tests.stock.project import (
    QUICKSTART,
    ROOT,
    read_instructions,
    tracebacks,
    with_two_processes,
)

LOG = """\
[2026-01-01 00:00:00,000: ERROR/ForkPoolWorker-1] Task raised unexpected: Boom()
Traceback (most recent call last):
  File "first.py", line 1, in first
    raise Low
Low: the first

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "second.py", line 1, in second
Boom: the second
[2026-01-01 00:00:01,000: WARNING/ForkPoolWorker-1] All is well again.
Traceback (most recent call last):
  File "third.py", line 1, in third
KeyError: 'a third'
"""


def test_tracebacks_are_counted_once_with_their_causes() -> None:
    assert tracebacks(LOG) == ["Boom: the second", "KeyError: 'a third'"]
    assert tracebacks("nothing\n") == []


def test_the_quickstart_is_read() -> None:
    told = read_instructions(QUICKSTART)
    assert {"mysite/settings.py", "mysite/celery.py", "shop/models.py"} <= set(told.files)
    assert told.beginning == [
        "django-admin startproject mysite",
        "python manage.py startapp shop",
    ]
    assert told.commands == [
        "python manage.py makemigrations shop",
        "python manage.py migrate",
        "python manage.py createsuperuser",
    ]
    assert any(" worker" in command for command in told.services)
    assert "search.py" in told.scripts


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("celery -A mysite worker", "celery -A mysite worker -c 2"),
        ("celery -A mysite worker --beat", "celery -A mysite worker --beat -c 2"),
        ("celery -A mysite worker -c 1", "celery -A mysite worker -c 1"),
        ("celery -A mysite beat", "celery -A mysite beat"),
    ],
)
def test_a_worker_has_two_processes(written: str, run: str) -> None:
    assert with_two_processes(written) == run


def test_each_operation_has_its_view() -> None:
    views = (ROOT / "tests" / "stock" / "shop" / "views.py").read_text()
    assert [name for name in OPERATIONS if f"def {name}(model: Any)" not in views] == []
