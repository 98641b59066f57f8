"""Keep an upload between two submits of a form, so that the user need not choose the file again.

The table bounds what is kept: the size of a file, their number and their age. Only the signed token
of a file leads to it, and only the form that the user was shown has the token.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, models
from django.utils import timezone

from django_visualsnoop.common.installed import require_installed
from django_visualsnoop.common.transactions import savepoint_if_open

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

logger = logging.getLogger(__name__)

require_installed()

#: The size limit of a kept file, in bytes. MariaDB refuses statements of 16 MiB.
MAX_BYTES = 10_000_000
#: How many files are kept, the newest, and for how long.
MAX_KEPT = 100
MAX_AGE = timedelta(hours=1)
_SALT = "django_visualsnoop.uploads.kept"


class KeptUpload(models.Model):
    """The file of a form that was returned with a warning."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kept_at = models.DateTimeField(db_index=True)
    name = models.TextField()
    content_type = models.TextField(blank=True, default="")
    content = models.BinaryField()

    class Meta:
        app_label = "visualsnoop"

    def __str__(self) -> str:
        return f"upload of {self.kept_at:%Y-%m-%d %H:%M:%S}"


def keep_upload(file: UploadedFile[Any], *, using: str) -> str | None:
    """Keep an uploaded file; return its token, or ``None`` if it cannot be kept.

    This deletes files that are too old or too many.

    Args:
        file: the upload; it is left at its start.
        using: alias of the database to keep it in.
    """
    if (file.size or 0) > MAX_BYTES:
        return None
    kept = KeptUpload(
        kept_at=timezone.now(),
        name=file.name or "",
        content_type=file.content_type or "",
        content=file.read(),
    )
    file.seek(0)
    try:
        with savepoint_if_open(using=using):
            kept.save(using=using, force_insert=True)
    except DatabaseError as error:  # the table may be older than the code
        logger.warning("Could not keep an upload in the database %r.", using, exc_info=error)
        return None
    delete_old_uploads(using=using)
    return signing.dumps(str(kept.pk), salt=_SALT)


def restore_upload(token: str, *, using: str) -> SimpleUploadedFile | None:
    """Return the file of a token; ``None`` if the token is forged or the file is no longer kept."""
    try:
        key = signing.loads(token, salt=_SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        return None
    kept = KeptUpload.objects.using(using).filter(pk=key).first()
    if kept is None:
        return None
    return SimpleUploadedFile(kept.name, bytes(kept.content), kept.content_type)


def delete_old_uploads(*, using: str) -> None:
    """Delete the kept files that are too old or too many; a database error is logged.

    This writes only if there are some.
    """
    kept = KeptUpload.objects.using(using)
    try:
        with savepoint_if_open(using=using):
            old = kept.filter(kept_at__lt=timezone.now() - MAX_AGE).values_list("pk", flat=True)
            surplus = kept.order_by("-kept_at").values_list("pk", flat=True)[MAX_KEPT:]
            if found := {*old, *surplus}:
                kept.filter(pk__in=found).delete()
    except DatabaseError as error:  # the table may be older than the code
        logger.warning("Could not delete old uploads in %r.", using, exc_info=error)
