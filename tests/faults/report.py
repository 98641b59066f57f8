"""The report of a run, as text and as JSON, and whether it passed."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults import faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.faults import Happened
    from tests.faults.measuring import Span
    from tests.faults.observing import Comparison

#: How many kinds of faults a run must have had, and what share of the planned faults.
FEWEST_KINDS = 8
FEWEST_FAULTS = 0.8
#: Most lines in a list of examples.
EXAMPLES = 5

NO_OUTAGE = "no outage"
OUTAGES = {
    faults.BROKER_STOPPED: "broker stopped",
    faults.BROKER_GONE: "broker stopped",
    faults.BROKER_SILENT: "broker silent",
}
#: What a task logs when it reaches its soft time limit.
_OUT_OF_TIME = "it reached its time limit"
_EXCEPTION = re.compile(
    r"^(?:\[.*?\] )?([A-Za-z_][\w.]*(?:Error|Exception|Refused|Lost))\b", re.MULTILINE
)


@dataclass
class Report:
    """The results of a run; ``failures`` is empty if it passed."""

    machine: str
    options: dict[str, Any]
    seconds: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    commits: dict[str, dict[str, float]] = field(default_factory=dict)
    dispatches: dict[str, dict[str, float]] = field(default_factory=dict)
    ever_out_of_sync: int = 0
    most_at_once: int = 0
    looks: int = 0
    quiet_seconds: float | None = None
    seconds_to_sync: float | None = None
    audit_found: int | None = None
    comparison: dict[str, Any] = field(default_factory=dict)
    #: Workers and sweepers that nobody killed.
    ended_by_themselves: int = 0
    exceptions_logged: Counter[str] = field(default_factory=Counter)
    #: Tasks that reached their soft time limit.
    out_of_time: int = 0
    failures: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "passed": not self.failures}

    def add_web(self, result: dict[str, Any]) -> None:
        self.done.update(result["done"])
        self.failed.update(result["failed"])
        for told in result["unexpected"][:EXAMPLES]:
            self.failures.append(f"an operation failed for an unexpected reason:\n{told}")

    def add_times(
        self,
        commits: list[Span],
        dispatches: list[Span],
        happened: list[Happened],
        *,
        longest_wait: float,
    ) -> None:
        self.commits = _by_outage(commits, happened)
        self.dispatches = _by_outage(dispatches, happened)
        longest = max((times["longest"] for times in self.dispatches.values()), default=0.0)
        if longest > longest_wait:
            self.failures.append(f"a commit waited {longest:.2f} s for the broker")

    def add_faults(self, happened: list[Happened], planned: int) -> None:
        self.faults = Counter(one.kind for one in happened)
        if len(self.faults) < FEWEST_KINDS or len(happened) < planned * FEWEST_FAULTS:
            self.failures.append(f"only {len(happened)} of {planned} faults happened")

    def add_comparison(self, found: Comparison) -> None:
        self.comparison = vars(found)
        for what, images in (
            ("missing in the collection", found.missing),
            ("in the collection that no row wants", found.extra),
            ("with outdated content in the collection", found.older),
            ("never in sync", found.waiting),
            ("failed without a valid reason", found.wrongly_failed),
        ):
            if images:
                examples = "".join(f"\n  {image}" for image in images[:EXAMPLES])
                self.failures.append(f"{len(images)} images {what}:{examples}")

    def add_audit(self, found: int) -> None:
        self.audit_found = found
        if found:
            self.failures.append(f"the audit found {found} rows that changed without a request")

    def add_logs(self, logs: list[Path]) -> None:
        for log in logs:
            text = log.read_text(errors="replace")
            self.exceptions_logged.update(_EXCEPTION.findall(text))
            self.out_of_time += text.count(_OUT_OF_TIME)

    def __str__(self) -> str:
        total, failed = sum(self.done.values()), sum(self.failed.values())
        told = (f"{name}={value}" for name, value in self.options.items() if value is not None)
        out_of_sync = f"{self.ever_out_of_sync:,}; at most {self.most_at_once:,} at once"
        lines = [
            self.machine,
            " ".join(told),
            f"{total:,} operations in {self.seconds:.0f} s: {_listed(self.done)}",
            f"of these, {failed:,} failed: {_listed(self.failed)}",
            f"{sum(self.faults.values()):,} faults of {len(self.faults)} kinds:",
            *(f"  {count:>5} {kind}" for kind, count in sorted(self.faults.items())),
            *_table("commits", self.commits),
            *_table("dispatches", self.dispatches),
            f"messages alone, without faults: all in sync {_after(self.quiet_seconds)}",
            f"records not in sync at any of {self.looks:,} observations: {out_of_sync}",
            f"after the last fault and operation: all in sync {_after(self.seconds_to_sync)}",
            *self._compared(),
            f"workers that ended by themselves: {self.ended_by_themselves}",
            f"tasks that reached their soft time limit: {self.out_of_time}",
            f"exceptions in logs: {_listed(self.exceptions_logged)}",
            *(f"FAILED: {failure}" for failure in self.failures),
        ]
        return "\n".join(lines if self.failures else [*lines, "PASSED"])

    def _compared(self) -> list[str]:
        if not self.comparison:
            return []
        found = self.comparison
        drift = ", ".join(f"{len(found[name]):,} {name}" for name in ("missing", "extra", "older"))
        return [
            f"images in the collections: {found['images']:,}; {drift}",
            f"files that are not pictures: {_listed(found['failed'])}",
            f"rows that only the audit found: {self.audit_found}",
        ]


def machine(database: str, broker: str) -> str:
    import celery
    import django

    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Django {django.__version__}, Celery {celery.__version__}, {database}, {broker}"
    )


def _by_outage(spans: list[Span], happened: list[Happened]) -> dict[str, dict[str, float]]:
    """Group times by the outage of the broker that they overlap."""
    outages = [(OUTAGES[one.kind], one.began, one.ended) for one in happened if one.kind in OUTAGES]
    groups: dict[str, list[float]] = {name: [] for name in (NO_OUTAGE, *OUTAGES.values())}
    for began, took in spans:
        met = (name for name, start, end in outages if began < end and began + took > start)
        groups[next(met, NO_OUTAGE)].append(took)
    return {name: _summary(sorted(times)) for name, times in groups.items() if times}


def _summary(times: list[float]) -> dict[str, float]:
    return {
        "count": len(times),
        "median": times[len(times) // 2],
        "p99": times[min(len(times) - 1, len(times) * 99 // 100)],
        "longest": times[-1],
    }


def _table(title: str, groups: dict[str, dict[str, float]]) -> list[str]:
    return [
        f"{title}, {name}: {times['count']:,}; median {times['median'] * 1000:.1f} ms, "
        f"p99 {times['p99'] * 1000:.0f} ms, longest {times['longest'] * 1000:.0f} ms"
        for name, times in groups.items()
    ]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:.1f} s"
