"""The part of ``visualsnoop_reindex`` that lets workers reindex, and shows how far they are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import connections
from django.utils import timezone

from django_visualsnoop.common.durations import duration
from django_visualsnoop.management.interrupts import program
from django_visualsnoop.management.progress import progress
from django_visualsnoop.outbox.celery import find_queues, project_app
from django_visualsnoop.outbox.dispatch import reindex_queue
from django_visualsnoop.outbox.reindex_run import find_run
from django_visualsnoop.sync.reindex import Failures
from django_visualsnoop.sync.reindex_runs import (
    DEFAULT_WORKERS,
    RunExistsError,
    State,
    count_taken,
    dispatch_stalled,
    resume_run,
    set_state,
    start_run,
)

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.outbox.reindex_run import ReindexRun
    from django_visualsnoop.sync.reindex import Plan

#: Seconds between two looks at the run, and at whether its workers are gone.
LOOK_EVERY, CHECK_EVERY = 1.0, 60.0
#: How often to try again to reach the broker, and seconds between.
TRIES, TRY_EVERY = 6, 2.0
#: Name of a count → what it is called.
_WORDS = {
    "in_sync": "in sync",
    "failed": "failed",
    "elsewhere": "left to other workers",
    "left": "skipped",
    "empty": "without a picture",
}


class WorkersReindex:
    """Start, steer and show a reindex by workers.

    Args:
        using: alias of the database.
        out: receives what is printed.
        verbosity: 0 shows no progress.
    """

    def __init__(self, using: str, out: OutputWrapper, verbosity: int) -> None:
        self.using, self.out, self.verbosity = using, out, verbosity

    def start(
        self,
        fields: list[IndexedField],
        plan: Plan,
        *,
        workers: int | None,
        max_failures: int | None,
        after: Any,
    ) -> None:
        """Start the run, or wake the workers of the same run.

        Raises:
            CommandError: another run has not ended, or the broker refuses the messages.
        """
        try:
            run = start_run(
                fields,
                plan,
                workers=workers or DEFAULT_WORKERS,
                max_failures=max_failures,
                after=after,
            )
        except RunExistsError:
            raise CommandError(
                "Workers have not ended another reindex yet. "
                f"{self.describe()} To follow it, type: {self.command('--wait')} To stop it for "
                f"good, type: {self.command('--cancel')}"
            ) from None
        self._say_state(self._check_sent(run))

    def steer(self, name: str, *, workers: int | None) -> None:
        """Show, pause, resume or cancel the run.

        Args:
            name: ``"status"``, ``"pause"``, ``"resume"`` or ``"cancel"``.
            workers: for ``"resume"``, the largest number of worker processes.

        Raises:
            CommandError: there is no run to change, or the broker refuses the messages.
        """
        if name == "status":
            run = find_run(self.using)
        elif name == "resume":
            run = resume_run(self.using, workers)
        else:
            state = State.PAUSED if name == "pause" else State.CANCELLED
            run = set_state(state, using=self.using)
        if run is None:
            if name == "status":
                self.out.write(f"Workers have run no reindex in the database {self.using!r}.")
                return
            raise self.missing()
        self._say_state(self._check_sent(run) if name == "resume" else run)

    def follow(self) -> Failures:
        """Show the progress of the workers until the run ends; return its failures.

        Raises:
            CommandError: there is no run, or it was paused or cancelled.
        """
        run = find_run(self.using)
        if run is None:
            raise self.missing()
        label = f"reindex, after {run.done:,} rows" if run.done and run.is_active else "reindex"
        shown_rows, looked = run.done, time.monotonic()
        total = max(0, run.total - run.done)
        with progress(label, total, "rows", out=self.out, verbosity=self.verbosity) as shown:
            while run.state == State.RUNNING:
                time.sleep(LOOK_EVERY)
                connections[self.using].close_if_unusable_or_obsolete()
                if time.monotonic() - looked >= CHECK_EVERY:
                    dispatch_stalled(self.using)
                    looked = time.monotonic()
                run = find_run(self.using)
                if run is None:
                    raise self.missing()
                shown.update(run.done - shown_rows)
                shown_rows = run.done
        if run.state != State.FINISHED:
            raise CommandError(self.describe())
        self.out.write(self.describe())
        return Failures(run.counts.get("failed", 0), [(a, b) for a, b in run.failures])

    def describe(self) -> str:
        """Return the state of the run in one or two sentences."""
        run = find_run(self.using)
        if run is None:
            return ""
        seconds = ((run.ended_at or timezone.now()) - run.started_at).total_seconds()
        share = f" ({100 * run.done // run.total} %)" if run.total else ""
        counts = [(run.counts.get(name, 0), word) for name, word in _WORDS.items()]
        parts = [f"{count:,} {word}" for count, word in counts if count]
        fields = ", ".join(f"{label}.{name}" for _, label, name in run.fields)
        text = (
            f"{fields}: {run.state} after {duration(seconds)}, {run.done:,} of {run.total:,} rows"
            f"{share}{': ' if parts else ''}{', '.join(parts)}."
        )
        return f"{text} {run.reason}" if run.reason else text

    def command(self, *options: str) -> str:
        """Return a command line that steers this run."""
        database = () if self.using == "default" else ("--database", self.using)
        return " ".join((program(), "visualsnoop_reindex", *options, *database))

    def missing(self) -> CommandError:
        return CommandError(
            f"Workers run no reindex in the database {self.using!r}. To start one, type: "
            f"{self.command('--async')}"
        )

    def _say_state(self, run: ReindexRun) -> None:
        self.out.write(self.describe())
        if run.state == State.RUNNING:
            count = count_taken(self.using)
            self.out.write(f"{count} of up to {run.workers} worker processes are at work.")
            if not count:
                self._check_queue()
            self.out.write(f"To follow them, type: {self.command('--wait')}")
            self.out.write(f"To pause them, type: {self.command('--pause')}")
        elif run.state == State.PAUSED:
            self.out.write("Workers finish the rows that they have taken.")
            self.out.write(f"To go on, type: {self.command('--resume')}")

    def _check_queue(self) -> None:
        """Say what to type if no worker serves the queue."""
        queue = reindex_queue() or project_app().conf.task_default_queue
        found = find_queues(project_app())
        if found is not None and queue not in found:
            self.out.write(
                f"No worker serves the queue {queue!r}. To start one, type: "
                f"celery -A PROJECT worker -Q {queue} --prefetch-multiplier 1"
            )

    def _check_sent(self, run: ReindexRun) -> ReindexRun:
        """Try to send the messages again if the broker did not answer in the time of a commit."""
        for _ in range(TRIES):
            if run.state != State.RUNNING or run.sent_at is not None:
                return run
            time.sleep(TRY_EVERY)
            run = resume_run(self.using) or run
        if run.state == State.RUNNING and run.sent_at is None:
            raise CommandError(
                "The broker did not accept the messages, so no worker has started. The sweeper "
                f"sends them again. To send them now, type: {self.command('--resume')} To reindex "
                f"without workers, type: {self.command('--cancel')} Then type this command "
                "without --async."
            )
        return run
