from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from django_visualsnoop.outbox.celery import is_fallback, project_app
from tests.celeryapp import app

if TYPE_CHECKING:
    from celery import Celery


def test_the_projects_app_is_found_in_every_thread() -> None:
    found: list[Celery] = []
    thread = threading.Thread(target=lambda: found.append(project_app()))
    assert project_app() is app
    thread.start()
    thread.join()
    assert found == [app]
    assert not is_fallback(app)


def test_a_project_without_an_app_is_recognised() -> None:
    code = (
        "from django_visualsnoop.outbox.celery import is_fallback, project_app;"
        "assert is_fallback(project_app())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
