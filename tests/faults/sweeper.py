"""A sweeper process, as ``manage.py visualsnoop_sync`` under cron, every two seconds."""

from __future__ import annotations

import sys
import time

from django.db import DatabaseError, InterfaceError, connections

from django_visualsnoop.sync.worker import sweep

PAUSE = 2.0


def main(_: list[str]) -> None:
    while True:
        try:
            outcome = sweep(using="default")
        except (DatabaseError, InterfaceError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        else:
            if outcome.worked_on:
                print(
                    f"{outcome.in_sync} in sync, {len(outcome.retrying)} retrying, "
                    f"{len(outcome.failed)} failed",
                    flush=True,
                )
        connections.close_all()
        time.sleep(PAUSE)
