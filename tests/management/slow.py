"""A collection that hangs at a given image, for tests that end a process while it works."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from django_visualsnoop.collections.recorder import RecorderCollection

if TYPE_CHECKING:
    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.collections.results import ImageInfo


class SlowCollection(RecorderCollection):
    """From the image with the key ``SLOW_FROM`` on, tell ``hangs`` in ``SLOW_FOLDER``, and hang."""

    bulk_size: ClassVar[int] = 1

    def add_image(
        self, image: ImageSource, image_id: str | None = None, update_existing: bool = False
    ) -> ImageInfo:
        assert image_id is not None
        folder, key = Path(os.environ["SLOW_FOLDER"]), int(image_id.rpartition(":")[2])
        if key >= int(os.environ["SLOW_FROM"]):
            (folder / "hangs").write_text("now")
            # In short steps: a signal that comes just before a sleep is handled only after it.
            for _ in range(6000):
                time.sleep(0.1)
        (folder / f"{key}.added").touch()
        return super().add_image(image, image_id, update_existing)
