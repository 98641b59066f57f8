"""What a picture with transparency is laid on. Imports no Django.

White is where cut-out pictures are mostly shown, and what they have behind them once they are
saved as JPEG, so a flattened copy stays a copy. But white logos vanish there. Where much of
what can be seen would, the picture is laid on black, and if black hides as much, on grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: The grounds by preference, as lightness.
_GROUNDS = (255, 0, 128)
#: So much of what can be seen may vanish on a ground that is preferred to the next.
_LOST = 0.1
#: Lightness this far from the ground's is seen as well as any.
_SEEN = 96.0
#: The longer side of what the choice is made from: a scaled copy gets the same ground.
_SIDE = 256


def paste_on_ground(image: Image.Image) -> Image.Image:
    """Return an RGBA picture laid on the ground that contrasts with what is opaque, as RGB."""
    behind = Image.new("RGBA", image.size, (choose_ground(image),) * 3 + (255,))
    return Image.alpha_composite(behind, image).convert("RGB")


def choose_ground(image: Image.Image) -> int:
    """Return the lightness of the ground for an RGBA picture: 255, 0 or 128.

    What can be seen are outlines, where the picture meets the ground, and edges inside. Only
    outlines vanish, where the picture is as light as the ground.
    """
    scale = min(1.0, _SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(size, Image.Resampling.BOX)
    lightness = np.asarray(small.convert("RGB").convert("L"), dtype=np.float32)
    opacity = np.asarray(small.getchannel("A"), dtype=np.float32) / 255
    seen, lost = 0.0, dict.fromkeys(_GROUNDS, 0.0)
    for turned in (False, True):
        colours, alphas = (lightness.T, opacity.T) if turned else (lightness, opacity)
        outline = np.abs(np.diff(alphas))
        edges = np.abs(np.diff(colours)) / 255 * np.minimum(alphas[:, 1:], alphas[:, :-1])
        seen += float(outline.sum() + edges.sum())
        # The colour of an outline is that of its opaque side.
        inside = np.where(alphas[:, 1:] > alphas[:, :-1], colours[:, 1:], colours[:, :-1])
        for ground in _GROUNDS:
            hidden: Floats = np.clip(1 - np.abs(inside - ground) / _SEEN, 0, 1)
            lost[ground] += float((outline * hidden).sum())
    for ground in _GROUNDS:
        if lost[ground] <= _LOST * seen:
            return ground
    return min(_GROUNDS, key=lost.__getitem__)
