"""``manage.py visualsnoop_reindex``: see docs/reindexing.rst."""

from __future__ import annotations

import shlex
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from django_visualsnoop.client.exceptions import VisualSnoopError
from django_visualsnoop.collections import collections
from django_visualsnoop.common.durations import duration
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.indexed import rows
from django_visualsnoop.management.interrupts import Interrupted, interruptible, program
from django_visualsnoop.management.locks import locked
from django_visualsnoop.management.progress import progress
from django_visualsnoop.management.reindex_workers import WorkersReindex
from django_visualsnoop.management.selection import (
    add_database_argument,
    check_model_tables,
    check_tables,
    parse_start,
    positive,
    select_fields,
    write_start,
)
from django_visualsnoop.outbox.reindex_run import ReindexRun
from django_visualsnoop.sync.listing import Category
from django_visualsnoop.sync.prune import Pruned, prune_listing, prune_orphaned, prune_records
from django_visualsnoop.sync.reindex import Failures, Plan, ReindexCounts, reindex
from django_visualsnoop.sync.verify import Report, verify

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable

    from django_visualsnoop.indexed.options import IndexedField
    from django_visualsnoop.outbox.retry import CollectionBusyError

#: Options that change or show the reindex of the workers.
_STEERS = ("status", "pause", "resume", "cancel")
_SELECTS = ("models", "collection", "field", "since", "resume_from", "missing", "prune", "verify")
_NOT_WITH_STEERS = (*_SELECTS, "dry_run", "max_failures", "force", "sync")
_NOT_WITH_VERIFY = (
    *("missing", "prune", "dry_run", "since", "resume_from", "max_failures", "force", "async"),
    *(*_STEERS, "wait"),
)
#: Options of this command, in the order of ``command()``; flags have no value.
_VALUES = ("collection", "field", "database", "batch_size", "since", "max_failures", "workers")
_FLAGS = ("missing", "prune", "verify", "dry_run", "force", "async", "wait")


class Command(BaseCommand):
    help = (
        "Syncs the collections with the rows of indexed models: with all rows, or with those that "
        "are missing, changed or not synced since a date. The exit status is 1 if an image failed "
        "or if --verify found drift."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("models", nargs="*", metavar="app.Model", help="Only these models or apps.")
        add("--collection", metavar="ALIAS", help="Only fields indexed in this collection.")
        add("--field", metavar="NAME", help="Only fields with this name.")
        add_database_argument(parser)
        add("--batch-size", type=positive, default=100, help="Rows per batch. Defaults to 100.")
        add("--since", type=_moment, metavar="DATETIME", help="Only rows not synced since then.")
        add("--resume-from", metavar="KEY", help="Only rows after this key.")
        add("--missing", action="store_true", help="Only rows that differ from their record.")
        add("--prune", action="store_true", help="Also remove images that no row wants.")
        add("--verify", action="store_true", help="Only compare, and report drift.")
        add("--dry-run", action="store_true", help="Only print what would be done.")
        add("--max-failures", type=positive, metavar="N", help="Stop after N failures.")
        add("--force", action="store_true", help="Describe unchanged pictures again, too.")
        how = parser.add_mutually_exclusive_group()
        add = how.add_argument
        add("--sync", action="store_true", help="Sync in this process (default).")
        add("--async", action="store_true", help="Let the Celery workers sync.")
        add("--status", action="store_true", help="Print how far the workers are.")
        add("--pause", action="store_true", help="Let the workers pause.")
        add("--resume", action="store_true", help="Let the workers go on.")
        add("--cancel", action="store_true", help="Let the workers stop for good.")
        add = parser.add_argument
        add("--wait", action="store_true", help="Show the progress of the workers until the end.")
        add("--workers", type=positive, metavar="N", help="Let up to N worker processes take part.")

    def handle(self, **options: Any) -> None:
        self.options = options
        self.done: tuple[IndexedField, Any] | None = None
        self.workers = WorkersReindex(options["database"], self.stdout, options["verbosity"])
        #: Whether the workers do the work, so it goes on without this command.
        self.follows = False
        steer = _read_steer(options)
        if options["collection"] is not None:
            _check_alias(options["collection"])
        check_tables(options["database"])
        if steer is not None or options["async"]:
            check_tables(options["database"], ReindexRun)
        if steer is None:
            self.fields = select_fields(
                options["models"], collection=options["collection"], field=options["field"]
            )
            check_model_tables(self.fields, options["database"])
        try:
            with interruptible():
                if options["verify"]:
                    self.verify()
                elif steer is None:
                    self.reindex()
                elif steer != "wait":
                    self.workers.steer(steer, workers=options["workers"])
                if options["wait"]:
                    self.follows = True
                    self.fail_if(self.workers.follow())
        except Interrupted as signal:
            why = self.stopped(f"Stopped by {signal}.")
            raise CommandError(why, returncode=signal.returncode) from signal
        except (VisualSnoopError, ImproperlyConfigured) as error:
            raise CommandError(self.stopped(str(error))) from error
        except CommandError:
            raise
        except Exception as error:
            if is_lock_error(error):
                raise CommandError(self.stopped(locked(options["database"]))) from None
            self.stderr.write(self.stopped("Stopped by an error."))
            raise

    def reindex(self) -> None:
        options = self.options
        plan = Plan(
            using=options["database"],
            batch_size=options["batch_size"],
            missing=options["missing"],
            since=options["since"],
            force=options["force"],
            dry_run=options["dry_run"],
        )
        failures = Failures()
        start = None
        if options["resume_from"] is not None:
            start = parse_start(options["resume_from"], self.fields)
            self.done = (start.field, start.key)
        behind = self.fields.index(start.field) if start else 0
        fields = self.fields[behind:]
        if options["async"] and not plan.dry_run:
            self.workers.start(
                fields,
                plan,
                workers=options["workers"],
                max_failures=options["max_failures"],
                after=start.key if start else None,
            )
            fields = []
        for field in fields:
            after = start.key if start and start.field == field else None
            self.reindex_field(field, plan, after, failures)
        if options["prune"]:
            self.prune(plan, failures)
        self.fail_if(failures)

    def reindex_field(
        self, field: IndexedField, plan: Plan, after: Any, failures: Failures
    ) -> None:
        started, tally = time.monotonic(), ReindexCounts()
        total = rows.count(field, using=plan.using, after=after)
        with self.progress(str(field), total, "rows") as shown:
            for step in reindex(field, plan, after=after, pause=self.pause):
                self.done = (field, step.last_key)
                tally.update(step.tally)
                failures.update(step.tally.failures)
                shown.update(step.tally.rows)
                self.stop_at_limit(failures)
        self.say(f"{field} → {field.collection}: {_summary(tally, plan, started)}")

    def pause(self, busy: CollectionBusyError) -> None:
        self.say(f"The collection asks to wait {duration(busy.seconds)}: {busy}")
        time.sleep(busy.seconds)

    def prune(self, plan: Plan, failures: Failures) -> None:
        pruned, options = Pruned(pause=self.pause), self.options
        whole = not options["models"] and options["field"] is None
        for alias in self.aliases():
            fields = [field for field in self.fields if field.collection == alias]
            found = prune_listing(alias, fields, plan, pruned, leftovers=whole)
            with self.progress(f"{alias}: listed", None, "images") as shown:
                for count in found:
                    shown.update(count)
                    self.stop_at_limit(failures, pruned.tally.failures)
        for field in self.fields:
            prune_records(field, plan, pruned)
        if whole:
            alias = options["collection"]
            prune_orphaned(None if alias is None else [alias], plan, pruned)
        failures.update(pruned.tally.failures)
        self.say(
            f"{'Would prune' if plan.dry_run else 'Pruned'} {pruned.images:,} images "
            f"and {pruned.records:,} records without a row; {pruned.listed:,} images listed."
        )
        for category, why in _LEFT_ALONE.items():
            if pruned.left[category]:
                self.say(f"Skipped {pruned.left[category]:,} images {why}.")

    def verify(self) -> None:
        options, report = self.options, Report()
        using, size = options["database"], options["batch_size"]
        whole = not options["models"] and options["field"] is None
        for alias in self.aliases():
            fields = [field for field in self.fields if field.collection == alias]
            total = sum(rows.count(field, using=using) for field in fields)
            found = verify(alias, fields, report, using=using, batch_size=size, leftovers=whole)
            with self.progress(alias, total, "rows") as shown:
                for count in found:
                    shown.update(count)
        self.say(
            f"Compared {report.rows:,} rows with {report.listed:,} listed images. "
            f"{report.foreign:,} images belong to other projects or databases."
        )
        self.verify_indexes()
        if not report.drift:
            self.say(self.style.SUCCESS("No drift."))
            return
        for drift, count in report.drift.most_common():
            self.say(f"{drift}: {count:,} ({drift.meaning})")
            for example in report.examples[drift]:
                self.say(f"    {example}")
            if count > len(report.examples[drift]):
                self.say(f"    … and {count - len(report.examples[drift]):,} more")
        fix = self.command(verify=False, missing=True, prune=True)
        raise CommandError(
            f"Found drift in {report.drift.total():,} images. To fix it, type: {fix}"
        )

    def verify_indexes(self) -> None:
        """Compare indexes outside the process with the images that they should hold."""
        for alias in self.aliases():
            for index, count in collections[alias].compare_indexes().items():
                self.say(f"The index {index} of {alias} differs in {count:,} images.")
                if count:
                    raise CommandError(
                        f"To mend it, type: {program()} visualsnoop_move_index {alias} --to {index}"
                    )

    def aliases(self) -> list[str]:
        """Return the collections to process: those of the fields, and ``--collection``."""
        named = {self.options["collection"]} - {None}
        return sorted({field.collection for field in self.fields} | named)

    def progress(self, label: str, total: int | None, unit: str) -> Any:
        return progress(label, total, unit, out=self.stdout, verbosity=self.options["verbosity"])

    def say(self, line: str) -> None:
        self.stdout.write(line)

    def stop_at_limit(self, *found: Failures) -> None:
        limit, count = self.options["max_failures"], sum(one.count for one in found)
        if limit is not None and count >= limit:
            for one in found:
                self.list_failures(one)
            raise CommandError(
                self.stopped(f"Stopped after {count:,} failures (--max-failures {limit}).")
            )

    def fail_if(self, failures: Failures) -> None:
        self.list_failures(failures)
        if failures.count:
            raise CommandError(
                f"{failures.count:,} images failed. The workers or visualsnoop_sync will retry "
                "those that failed temporarily."
            )

    def list_failures(self, failures: Failures) -> None:
        for image_id, reason in failures.shown:
            self.stderr.write(f"{image_id}: {reason}")
        if failures.count > len(failures.shown):
            database = self.options["database"]
            self.stderr.write(
                f"… and {failures.count - len(failures.shown):,} more. To see them all, type: "
                f"{program()} visualsnoop_status --failed --database {database}"
            )

    def stopped(self, why: str) -> str:
        """Return why the command stopped, and what to type to continue."""
        if self.options["verify"]:
            return f"{why} Nothing was changed."
        if self.follows:
            return (
                f"{why} The workers go on. To follow them again, type: "
                f"{self.workers.command('--wait')} To pause them, type: "
                f"{self.workers.command('--pause')}"
            )
        if self.done is None:
            return f"{why} To start again, type: {self.command()}"
        start = write_start(*self.done, self.fields)
        return f"{why} To continue, type: {self.command(resume_from=start)}"

    def command(self, **changed: Any) -> str:
        """Return this command line, with changed options."""
        options = self.options | changed
        words = [*shlex.split(program()), "visualsnoop_reindex", *options["models"]]
        for name in ("settings", "pythonpath", *_VALUES):
            value = options.get(name)
            if value is not None and value != _DEFAULTS.get(name):
                text = value.isoformat() if isinstance(value, datetime) else str(value)
                words += [_option(name), text]
        words += [_option(name) for name in _FLAGS if options[name]]
        if options["resume_from"] is not None:
            # In one word, because a key may start with a dash.
            words.append(f"--resume-from={options['resume_from']}")
        return shlex.join(words)


_DEFAULTS = {"database": "default", "batch_size": 100}
_LEFT_ALONE = {
    Category.UNWANTED: "of fields that are not selected",
    Category.ELSEWHERE: "of other databases",
    Category.LEFTOVER: "of fields that no longer exist (to prune them, select no model or field)",
    Category.FOREIGN: "of other projects",
}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _summary(tally: ReindexCounts, plan: Plan, started: float) -> str:
    counts = tally.counts
    seconds = time.monotonic() - started
    if plan.dry_run:
        told = [("wanted", "would be added or updated"), ("unwanted", "would be removed")]
    else:
        told = [
            ("in_sync", "in sync"),
            ("failed", "failed"),
            ("elsewhere", "left to other workers"),
        ]
    told += [("left", "skipped"), ("empty", "without a picture")]
    parts = [f"{counts[name]:,} {words}" for name, words in told if counts[name]]
    rate = f"{tally.rows / seconds:,.0f} rows/s" if seconds > 0 else "at once"
    return (
        f"{tally.rows:,} rows in {seconds:,.1f} s ({rate}): {', '.join(parts) or 'nothing to do'}."
    )


def _refuse(options: dict[str, Any], names: Iterable[str], option: str) -> None:
    for name in names:
        if options[name]:
            name = name if name == "models" else _option(name)
            raise CommandError(f"{name} cannot be used with {option}.")


def _read_steer(options: dict[str, Any]) -> str | None:
    """Return what to do with the reindex of the workers; ``None`` if the options ask for another.

    Raises:
        CommandError: options contradict each other.
    """
    if options["verify"]:
        _refuse(options, _NOT_WITH_VERIFY, "--verify")
    steer = next((name for name in _STEERS if options[name]), None)
    if options["wait"] and steer not in (None, "resume"):
        raise CommandError(f"--wait cannot be used with {_option(str(steer))}.")
    if options["wait"] and not options["async"]:
        steer = steer or "wait"
    if steer is not None:
        why = " without --async" if steer == "wait" else ""
        _refuse(options, _NOT_WITH_STEERS, f"{_option(steer)}{why}")
    if options["workers"] and not options["async"] and steer != "resume":
        raise CommandError("--workers can only be used with --async or --resume.")
    return steer


def _check_alias(alias: str) -> None:
    try:
        collections.params(alias)
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None:
        day = parse_date(text)
        if day is None:
            raise ValueError(text)
        moment = datetime(day.year, day.month, day.day)
    if settings.USE_TZ and timezone.is_naive(moment):
        return timezone.make_aware(moment)
    return moment if settings.USE_TZ or timezone.is_naive(moment) else timezone.make_naive(moment)
