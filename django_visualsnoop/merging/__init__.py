"""Merge rows of any model without losing what refers to them, and undo it."""

from __future__ import annotations

from django_visualsnoop.merging.merge import MergeResult, merge_rows
from django_visualsnoop.merging.permissions import missing_permissions
from django_visualsnoop.merging.plan import Fill, MergePlan, RelatedRows, plan_merge
from django_visualsnoop.merging.undo import RestoreReport, undo

__all__ = [
    "Fill",
    "MergePlan",
    "MergeResult",
    "RelatedRows",
    "RestoreReport",
    "merge_rows",
    "missing_permissions",
    "plan_merge",
    "undo",
]
