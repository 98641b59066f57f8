"""What a project may choose."""

from __future__ import annotations

from typing import NamedTuple


class SearchOptions(NamedTuple):
    """See ``PgvectorIndex``."""

    shortlist: int = 200
    exact: int = 10_000
