"""The admin: ``VisualSnoopAdminMixin`` for your models, and read-only pages of sync records."""

from __future__ import annotations

from django_visualsnoop.admin.duplicate_check import DuplicateCheckAdminMixin
from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin
from django_visualsnoop.admin.records import SyncRecordAdmin

__all__ = ["DuplicateCheckAdminMixin", "SyncRecordAdmin", "VisualSnoopAdminMixin"]
