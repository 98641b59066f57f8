"""AVIF. The plugin itself reads the header, since it decodes nothing before it is asked to."""

from __future__ import annotations

import io

from PIL import AvifImagePlugin

from django_visualsnoop.engine.exceptions import UnsupportedImage
from django_visualsnoop.engine.images.formats import Examined, exif, heif
from django_visualsnoop.engine.images.formats.heif_items import find_exif


def examine(data: bytes) -> Examined:
    if not AvifImagePlugin.SUPPORTED:
        raise UnsupportedImage("The installed Pillow was built without AVIF support.")
    # Pillow would not heed the orientation of EXIF: AVIF has properties for that, which the
    # plugin turns into an Exif block of its own.
    metadata = find_exif(data)
    data = heif.strip_metadata(data)
    # libavif wants the brand to be named, which a file of a general brand need not do.
    if data[8:12] != b"avis":  # by which it knows an animation
        data = data[:8] + b"avif" + data[12:]
    image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    return Examined(
        data,
        *image.size,
        orientation=exif.read_orientation(image.info.get("exif", b"")),
        exif=metadata,
    )
