"""A command that is stopped by a signal."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from django_visualsnoop.management.interrupts import Interrupted, interruptible, program
from tests.threads import in_thread


@pytest.mark.parametrize(
    ("number", "returncode"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_signal_ends_the_block_with_the_status_that_a_shell_reports(
    number: int, returncode: int
) -> None:
    def interrupted() -> None:
        with interruptible():
            os.kill(os.getpid(), number)
            time.sleep(10)  # in case that it has not come yet

    with pytest.raises(Interrupted) as caught:
        interrupted()
    assert caught.value.returncode == returncode
    assert isinstance(caught.value, KeyboardInterrupt)
    assert str(caught.value) == signal.Signals(number).name


def test_the_handlers_that_were_there_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) not in before
    with pytest.raises(ValueError, match="wrong"), interruptible():
        raise ValueError("wrong")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_another_thread_changes_no_handler() -> None:
    """Python refuses it there."""

    def run() -> bool:
        with interruptible():
            return signal.getsignal(signal.SIGTERM) is before

    before = signal.getsignal(signal.SIGTERM)
    assert in_thread(run)


@pytest.mark.parametrize(
    ("path", "typed"),
    [
        ("manage.py", "python manage.py"),
        ("/srv/shop/manage.py", "python /srv/shop/manage.py"),
        ("/usr/lib/django/__main__.py", "python -m django"),
        ("/usr/bin/django-admin", "django-admin"),
    ],
)
def test_a_command_is_named_as_it_was_typed(
    monkeypatch: pytest.MonkeyPatch, path: str, typed: str
) -> None:
    monkeypatch.setattr(sys, "argv", [path, "visualsnoop_reindex"])
    assert program() == typed
