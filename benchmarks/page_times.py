"""Time the pages of a project, by Django's test client."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.test import Client


def time_requests(client: Client, pages: Sequence[tuple[str, str, dict[str, Any] | None]]) -> None:
    """Print the queries and the least processor time of three requests of each page.

    Args:
        client: signed in.
        pages: what to call each page, its URL, and the form to send; ``None`` to get the page.
    """
    from django.db import connection, reset_queries

    for name, url, form in pages:
        times = []
        for _ in range(3):
            reset_queries()
            started = time.process_time()
            answer: Any = client.get(url) if form is None else client.post(url, form)
            times.append(time.process_time() - started)
        assert answer.status_code == 200, (name, answer)
        print(f"  {name:32} {len(connection.queries):3} queries, {1000 * min(times):5.0f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"  peak memory of the process       {peak} MiB")
