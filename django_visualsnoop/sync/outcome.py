"""What became of the records that were worked on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What became of the records that one call was given."""

    agreed: int = 0
    #: Record id → why, for those that failed and will be tried again.
    retrying: dict[str, str] = field(default_factory=dict)
    #: Record id → why, for those that wait until their image changes or someone asks.
    failed: dict[str, str] = field(default_factory=dict)
    #: Ids of records whose file was so new that it may be written again in a moment.
    fresh: list[str] = field(default_factory=list)
    #: Seconds → ids of records to look at again after so long.
    later: dict[float, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def worked_on(self) -> int:
        return self.agreed + len(self.retrying) + len(self.failed)

    def add(self, other: Outcome) -> None:
        self.agreed += other.agreed
        self.retrying.update(other.retrying)
        self.failed.update(other.failed)
        self.fresh += other.fresh
        for delay, ids in other.later.items():
            self.later[delay] += ids
