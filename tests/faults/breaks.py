"""Builds that are broken on purpose, in the child processes of the rig: it must notice each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


def apply(name: str) -> None:
    BREAKS[name]()


def finalize_any_generation() -> None:
    """A worker says that a record is done without asking whether anyone has requested it again."""
    from django_visualsnoop.outbox.leases import Lease

    Lease._same_request = Lease._held  # type: ignore[method-assign]


def publish_at_once() -> None:
    """A message is sent before the transaction that it tells of is committed."""
    from django_visualsnoop.outbox import dispatch, requests

    def dispatch_now(record_ids: Iterable[UUID], using: str) -> None:
        dispatch.dispatch_records(using, sorted(str(record_id) for record_id in record_ids))

    requests.dispatch_on_commit = dispatch_now


def sweep_never() -> None:
    """The rig starts no sweeper, so there is nothing to change in a process."""


BREAKS = {
    "generation": finalize_any_generation,
    "publish": publish_at_once,
    "sweeper": sweep_never,
}
