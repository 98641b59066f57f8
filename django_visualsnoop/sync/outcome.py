"""The outcome of processing records."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """The outcome of processing a set of records."""

    in_sync: int = 0
    #: Record id → reason, of records that failed and will be retried.
    retrying: dict[str, str] = field(default_factory=dict)
    #: Record id → reason, of records that failed until their image changes or someone retries them.
    failed: dict[str, str] = field(default_factory=dict)
    #: Ids of records whose file is so new that it may be rewritten in a moment.
    fresh: list[str] = field(default_factory=list)
    #: Seconds → ids of records to process after that delay.
    later: dict[float, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def worked_on(self) -> int:
        return self.in_sync + len(self.retrying) + len(self.failed)

    def add(self, other: Outcome) -> None:
        self.in_sync += other.in_sync
        self.retrying.update(other.retrying)
        self.failed.update(other.failed)
        self.fresh += other.fresh
        for delay, ids in other.later.items():
            self.later[delay] += ids
