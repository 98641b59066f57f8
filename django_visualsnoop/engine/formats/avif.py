"""AVIF, of which the plugin itself reads the header: it decodes nothing before it is asked to."""

from __future__ import annotations

import io
import re

from PIL import AvifImagePlugin

from django_visualsnoop.engine.formats import Examined, exif

# Pillow would parse the Exif item, with warnings, and not heed its orientation:
# AVIF has properties for that, which the plugin turns into an Exif block of its own.
_EXIF_ITEM = re.compile(rb"(infe[\x02\x03].{3}(?:.{4}|.{6}))Exif", re.DOTALL)


def examine(data: bytes) -> Examined:
    data = _EXIF_ITEM.sub(rb"\1free", data)
    image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    return Examined(data, *image.size, orientation=exif.orientation(image.info.get("exif", b"")))
