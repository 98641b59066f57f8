"""The errors of the engine."""

from __future__ import annotations

from typing import ClassVar


class DecodeError(ValueError):
    """The engine cannot describe the bytes as a picture; ``reason`` is a code that says why."""

    reason: ClassVar[str] = "undecodable"


class EmptyImage(DecodeError):  # noqa: N818
    """The file has no bytes."""

    reason = "empty"


class UndecodableImage(DecodeError):  # noqa: N818
    """The file is broken or cut off."""

    reason = "undecodable"


class UnsupportedImage(DecodeError):  # noqa: N818
    """The engine does not support this kind of picture."""

    reason = "unsupported"


class ImageTooLarge(DecodeError):  # noqa: N818
    """The file has more bytes or pixels than allowed."""

    reason = "too_large"


class ImageExists(ValueError):  # noqa: N818
    """The collection already contains an image with this id."""


class ImageMissing(LookupError):  # noqa: N818
    """The collection contains no image with this id, or cannot search by it."""


class IndexUnavailable(RuntimeError):  # noqa: N818
    """An index outside the process cannot be used now; the message says what to do."""


def build_image_missing(image_id: str) -> ImageMissing:
    """Return the error for an id that no image of the collection has."""
    return ImageMissing(f"The collection holds no image {image_id!r}.")
