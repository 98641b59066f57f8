"""Whether anything in a picture can tell it from others. Imports no Django.

Blank pages, pictures of one colour, plain gradients and empty frames all look alike. If two of
them agree, this does not show that one is a copy of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.descriptors.local_features import FEW, compute_local_features
from django_visualsnoop.engine.images.content_boxes import crop_bands
from django_visualsnoop.engine.images.unevenness import measure_unevenness

if TYPE_CHECKING:
    from django_visualsnoop.engine.images.decode import Pixels

#: Pictures that are less uneven than this, of 255, show nothing: noise, dust, JPEG's steps.
_EVEN = 3.0
#: What is inside a frame is the picture if it has at least this share of all pixels.
_INSIDE = 0.6
#: A margin is one in so many parts of the width or height.
_MARGIN = 8


def is_featureless(pixels: Pixels, features: int) -> bool:
    """Return whether nothing tells the picture apart, but for a frame around it.

    Args:
        pixels: height x width x 3, RGB, uint8.
        features: how many local features the picture has.
    """
    if (
        features < FEW
        and min(measure_unevenness(pixels), measure_unevenness(_crop_margins(pixels))) <= _EVEN
    ):
        return True
    inside = crop_bands(pixels)
    if inside is None or inside.size < _INSIDE * pixels.size or measure_unevenness(inside) > _EVEN:
        return False
    return len(compute_local_features(inside).codes) < FEW


def _crop_margins(pixels: Pixels) -> Pixels:
    """Return the picture without its margins, in which a scan shows the edges of the paper."""
    height, width = pixels.shape[:2]
    down, across = height // _MARGIN, width // _MARGIN
    return pixels[down : height - down, across : width - across]
