"""Reading a picture that a form sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.server.conf import get_options

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile


def read_upload(upload: UploadedFile[bytes]) -> bytes:
    """Return the bytes of an uploaded file, unless it is too long to be read.

    Raises:
        ImageTooLarge: it has more bytes than ``MAX_BYTES``.
    """
    largest = get_options().max_bytes
    if (upload.size or 0) > largest:
        raise ImageTooLarge(f"The file has {upload.size:,} bytes; at most {largest:,} are allowed.")
    content: bytes = upload.read()
    return content
