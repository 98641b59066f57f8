"""HEIF with HEVC in it, such as the HEIC of phones, and telling it from AVIF.

What the picture needs is read by ``pillow-heif``, the extra ``heif``. Its libheif decodes no more
pixels than the container's ``ispe`` boxes say, and turns the picture as ``irot`` and ``imir`` say;
in HEIF, EXIF's orientation has no meaning.
"""

from __future__ import annotations

import io
import re
import struct
from typing import TYPE_CHECKING

from django_visualsnoop.engine.exceptions import ImageTooLarge, UndecodableImage, UnsupportedImage
from django_visualsnoop.engine.images.formats import MAX_PARTS, Examined
from django_visualsnoop.engine.images.formats.heif_items import find_exif

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_AVIF = {b"avif", b"avis"}
#: Still pictures and sequences in HEVC, of one or more layers.
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
#: Say that it is HEIF, but not what is in it.
_ANY = {b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"MiHA", b"MiHB", b"MiHE"}
_AV1_ITEM = re.compile(rb"infe[\x02\x03].{3}(?:.{4}|.{6})av01", re.DOTALL)
# Pillow and pillow-heif would parse the Exif item and XMP, with warnings, for an orientation.
_METADATA_ITEM = re.compile(rb"(infe[\x02\x03].{3}(?:.{4}|.{6}))(?:Exif|mime)", re.DOTALL)
_SIZE = re.compile(rb"ispe\0.{3}(.{8})", re.DOTALL)
_MAX_BRANDS = 100


def is_avif(data: bytes) -> bool:
    """Return whether a file is AVIF, by its brands, the first one above all."""
    major, *others = _read_brands(data) or [b""]
    if major in _AVIF or major in _HEIC:
        return major in _AVIF
    avif, heic = not _AVIF.isdisjoint(others), not _HEIC.isdisjoint(others)
    if avif != heic:
        return avif
    generic = avif or not _ANY.isdisjoint([major, *others])
    return generic and _AV1_ITEM.search(data) is not None


def is_heif(data: bytes) -> bool:
    """Return whether a file is HEIF, but not AVIF, by its brands."""
    brands = _read_brands(data)
    known = bool(brands) and not (_HEIC | _ANY).isdisjoint(brands)
    return known and not is_avif(data)


def _read_brands(data: bytes) -> list[bytes]:
    """Return the brands of a file, the major one first; none if it has none."""
    if data[4:8] != b"ftyp":
        return []
    (length,) = struct.unpack_from(">L", data)
    listed = data[16 : min(length, 16 + 4 * _MAX_BRANDS)]
    return [data[8:12], *(listed[place : place + 4] for place in range(0, len(listed), 4))]


def strip_metadata(data: bytes) -> bytes:
    """Return the file without EXIF and XMP; all offsets stay true."""
    return _METADATA_ITEM.sub(rb"\1free", data)


def load_plugin(file: io.BytesIO) -> ImageFile:
    """Return an opened file.

    Raises:
        UnsupportedImage: ``pillow-heif`` is not installed.
    """
    try:
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError as error:
        raise UnsupportedImage(
            "Reading HEIF (HEIC) pictures requires a package that is not installed. Type: "
            'python -m pip install "django-visualsnoop[heif]"'
        ) from error
    opened: ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return opened


def examine(data: bytes) -> Examined:
    _check_whole(data)
    metadata = find_exif(data)
    data = strip_metadata(data)
    image = load_plugin(io.BytesIO(data))
    sizes = (struct.unpack(">LL", found[1]) for found in _SIZE.finditer(data))
    largest = max((width * height for width, height in sizes), default=0)
    return Examined(data, *image.size, exif=metadata, decoded_pixels=largest)


def _check_whole(data: bytes) -> None:
    """Refuse a file whose boxes do not end with it: libheif makes do with less."""
    position = 0
    for _ in range(MAX_PARTS):
        if position + 8 > len(data):
            return
        (length,) = struct.unpack_from(">L", data, position)
        if length == 0:  # up to the end
            return
        if length == 1 and position + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, position + 8)
        if length < 8:
            raise UndecodableImage("The HEIF's header is broken.")
        position += length
        if position > len(data):
            raise UndecodableImage("The HEIF is cut off.")
    raise ImageTooLarge(f"The HEIF has more than {MAX_PARTS:,} boxes.")
