"""Read the bytes of an image from a path, a file or bytes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias


class DjangoFile(Protocol):
    """What Django's ``File``, ``FieldFile`` and ``UploadedFile`` have in common."""

    @property
    def closed(self) -> bool: ...

    def open(self, mode: str = ..., /) -> Any: ...

    def close(self) -> None: ...


#: A path, the bytes, a binary file (read from its start), or a Django file.
ImageSource: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | DjangoFile
)


def read_image(source: ImageSource) -> bytes:
    """Return the bytes of an image.

    Args:
        source: a path, which is opened and closed here; bytes; a binary file,
            which is read from its start if it can seek, and left open; or a
            Django file, which is opened by its own ``open("rb")`` and closed
            again if it was closed before.

    Raises:
        TypeError: ``source`` is none of these, or a file opened in text mode.
        OSError: the file cannot be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    if isinstance(source, (str, os.PathLike)):
        return Path(source).read_bytes()
    if isinstance(source, io.TextIOBase):
        raise _no_image(source)
    # Asked of the type: the attribute FieldFile.read opens the file.
    if hasattr(type(source), "open") and hasattr(type(source), "closed"):
        content = _read_django_file(source)
    elif hasattr(source, "read"):
        content = _read_from_start(source)
    else:
        raise _no_image(source)
    if not isinstance(content, bytes):
        raise _no_image(source)
    return content


def _read_django_file(source: Any) -> Any:
    was_closed = source.closed
    try:
        return source.open("rb").read()
    finally:
        if was_closed:
            source.close()


def _read_from_start(source: Any) -> Any:
    seekable = getattr(source, "seekable", None)
    if seekable() if seekable else hasattr(source, "seek"):
        source.seek(0)
    return source.read()


def _no_image(source: object) -> TypeError:
    hint = "; open the file in binary mode" if hasattr(type(source), "read") else ""
    return TypeError(
        "An image must be a path, bytes, a file opened in binary mode or a Django file, "
        f"not {type(source).__name__}{hint}."
    )
