"""A storage that answers late, and a collection that describes nothing; see filling.py."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.core.files.storage import FileSystemStorage

from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.collections.results import ImageInfo

if TYPE_CHECKING:
    from django_visualsnoop.client.sources import ImageSource


class SlowStorage(FileSystemStorage):
    """Wait before a file is opened, as a storage in a network does."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        if "r" in mode:
            time.sleep(float(os.environ.get("FILLING_LATENCY", "0")))
        return super()._open(name, mode)  # type: ignore[misc]  # not in the stubs


class NullCollection(RecorderCollection):
    """Accept images after FILLING_DESCRIBING seconds, and forget them."""

    def add_image(
        self,
        image: ImageSource,  # noqa: ARG002
        image_id: str | None = None,
        update_existing: bool = False,  # noqa: ARG002
    ) -> ImageInfo:
        time.sleep(float(os.environ.get("FILLING_DESCRIBING", "0")))
        return ImageInfo("0" * 8, str(image_id), datetime.now(UTC), True)
