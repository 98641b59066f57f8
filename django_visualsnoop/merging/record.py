"""What a merge has done, so that it can be undone for a while."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.common.installed import require_installed
from django_visualsnoop.merging.snapshot import read_keys

require_installed()


class Resolution(models.Model):
    """A merge of rows, in the database of the rows; see ``merge_rows()``."""

    #: The rows' model, such as ``"shop.product"``.
    model = models.CharField(_("model"), max_length=255)
    #: What was done, for people.
    label = models.CharField(_("label"), max_length=255, blank=True)
    #: Name of the user. Users may be in another database, so this is no foreign key.
    user = models.CharField(_("user"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("resolved at"), default=timezone.now)
    #: Until when it can be undone.
    expires_at = models.DateTimeField(_("can be undone until"))
    restored_at = models.DateTimeField(_("undone at"), null=True)
    #: Primary keys as JSON text: of the kept row (empty: none), and a list of the removed ones.
    kept = models.TextField(_("kept row"), blank=True)
    removed = models.TextField(_("removed rows"))
    #: JSON text; see ``snapshot``. Empty once the merge has been undone.
    snapshot = models.TextField(editable=False)
    #: Whether the files of removed rows are deleted when this expires.
    delete_files = models.BooleanField(default=False)

    class Meta:
        app_label = "visualsnoop"
        db_table = "visualsnoop_resolution"
        verbose_name = _("resolved group")
        verbose_name_plural = _("resolved groups")
        indexes = [models.Index(fields=["expires_at"], name="visualsnoop_expires")]

    def __str__(self) -> str:
        return self.label or f"{self.model}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def can_be_undone(self) -> bool:
        return self.restored_at is None and self.expires_at > timezone.now()

    def kept_key(self) -> Any:
        """Return the primary key of the kept row, or ``None``."""
        return read_keys(self.model, f"[{self.kept}]")[0] if self.kept else None

    def removed_keys(self) -> list[Any]:
        """Return the primary keys of the removed rows."""
        return read_keys(self.model, self.removed)
