"""Files of retained pictures, and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.server.models import StoredPicture

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def rows() -> set[str]:
    return set(StoredPicture.objects.values_list("name", flat=True))
