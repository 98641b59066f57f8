"""What a run counts as work."""

from __future__ import annotations

from django_visualsnoop.sync.outcome import Outcome


def test_work_is_what_is_in_sync_and_what_failed() -> None:
    outcome = Outcome(in_sync=4, retrying={"a": "", "b": ""}, failed={"c": ""})
    assert outcome.worked_on == 7
