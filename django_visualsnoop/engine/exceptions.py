"""Why bytes could not become a picture. One reason code and one sentence each."""

from __future__ import annotations

from typing import ClassVar


class DecodeError(ValueError):
    """The bytes are no picture that the engine can describe; ``reason`` says why, in a word."""

    reason: ClassVar[str] = "undecodable"


class EmptyImage(DecodeError):  # noqa: N818
    """There are no bytes at all."""

    reason = "empty"


class UndecodableImage(DecodeError):  # noqa: N818
    """The bytes are broken, cut off, or no picture."""

    reason = "undecodable"


class UnsupportedImage(DecodeError):  # noqa: N818
    """A picture, but of a kind that the engine does not read."""

    reason = "unsupported"


class ImageTooLarge(DecodeError):  # noqa: N818
    """More bytes or more pixels than allowed."""

    reason = "too_large"


class ImageExists(ValueError):  # noqa: N818
    """The collection already holds an image under this id."""


class ImageMissing(LookupError):  # noqa: N818
    """The collection holds no image under this id, or none that can be searched."""
