"""Propose which row of a group to keep: ``common.proposals``, at the name that projects import."""

from django_visualsnoop.common.proposals import (
    CRITERIA,
    DEFAULT_RULE,
    Candidate,
    Criterion,
    note_edits,
    order_candidates,
    resolve_rule,
)

__all__ = [
    "CRITERIA",
    "DEFAULT_RULE",
    "Candidate",
    "Criterion",
    "note_edits",
    "order_candidates",
    "resolve_rule",
]
