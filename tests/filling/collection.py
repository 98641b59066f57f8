"""The embedded engine, which notes each picture that it describes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from django_visualsnoop.collections.local import LocalCollection

if TYPE_CHECKING:
    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.engine.storage.values import NewImage


class NotingCollection(LocalCollection):
    """Append the id of each described picture to a file of this process in ``NOTED_FOLDER``."""

    def _describe(self, image: ImageSource, image_id: str) -> NewImage:
        described = super()._describe(image, image_id)
        with (Path(os.environ["NOTED_FOLDER"]) / str(os.getpid())).open("a") as file:
            file.write(f"{image_id}\n")
        return described
