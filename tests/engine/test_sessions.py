"""What is loaded once in each process."""

from __future__ import annotations

import os
import threading

import pytest

from django_visualsnoop.engine.sessions import PerProcess, SessionError, create_session


def test_threads_share_one_value() -> None:
    values: PerProcess[object] = PerProcess()
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(values.get("one", object))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert values.get("other", object) is not found[0]


def test_an_error_is_not_kept() -> None:
    values: PerProcess[float] = PerProcess()
    with pytest.raises(ZeroDivisionError):
        values.get("one", lambda: 1 / 0)
    assert values.get("one", lambda: 2.0) == 2.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("inherited", [True, False])
def test_a_child_makes_values_anew_or_keeps_them(inherited: bool) -> None:
    values: PerProcess[str] = PerProcess(inherited=inherited)
    values.get("one", lambda: "parent")
    with values._lock:  # another thread was making one when the process was forked
        child = os.fork()
        if not child:
            expected = "parent" if inherited else "child"
            os._exit(0 if values.get("one", lambda: "child") == expected else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0
    assert values.get("one", lambda: "child") == "parent"


def test_what_is_no_model() -> None:
    with pytest.raises(SessionError):
        create_session(b"no model", folder="nowhere")
