"""What was learned, as it is shipped."""

from __future__ import annotations

from django_visualsnoop.engine.descriptors import weights


def test_what_is_shipped_is_small() -> None:
    assert weights.PATH.stat().st_size < 2_000_000
