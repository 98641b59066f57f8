"""Which image ids are valid, in every collection."""

from __future__ import annotations

from uuid import UUID

from django_visualsnoop.client.exceptions import InvalidImageIdError

#: API v1: an image id is any string of 1 to 100 code points.
MAX_IMAGE_ID_LENGTH = 100


def check_image_id(image_id: object) -> str:
    """Return an image id as a string.

    Args:
        image_id: a string of 1 to 100 code points, or an ``int`` or a ``UUID``, which is
            converted as ``visualsnoop`` 0.2 did.

    Raises:
        InvalidImageIdError: the id is not valid; the message says why.
    """
    if isinstance(image_id, (int, UUID)) and not isinstance(image_id, bool):
        image_id = str(image_id)
    if not isinstance(image_id, str):
        raise InvalidImageIdError(
            f"An image id must be a str, not {type(image_id).__name__}: {image_id!r:.120}"
        )
    problem = _problem(image_id)
    if problem:
        raise InvalidImageIdError(f"The image id {image_id!r:.120} {problem}.")
    return image_id


def _problem(image_id: str) -> str | None:
    if not image_id:
        return f"is empty; use 1 to {MAX_IMAGE_ID_LENGTH} characters"
    if len(image_id) > MAX_IMAGE_ID_LENGTH:
        return f"has {len(image_id)} characters; at most {MAX_IMAGE_ID_LENGTH} are allowed"
    if "\0" in image_id:
        return "contains a NUL character; remove it"
    if any("\ud800" <= character <= "\udfff" for character in image_id):
        return "contains a lone surrogate, which UTF-8 cannot encode; remove it"
    # URLs have no way to write these: libraries and proxies resolve them, even
    # percent-encoded, so that deleting "a/../b" would delete "b".
    if {".", ".."}.intersection(image_id.split("/")):
        return "is '.' or '..', or has it between slashes, which URLs do not allow; use another id"
    return None
