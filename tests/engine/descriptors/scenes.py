"""Pictures of scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.images.decode import decode
from tests.collections.contract import image

if TYPE_CHECKING:
    import numpy as np


def pixels(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return decode(image(number)).pixels
