"""Path converters for the ids in URLs of pages."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from django.http import Http404

from django_visualsnoop.client.ids import check_image_id


class CollectionId:
    """Match a collection id: 8 hexadecimal digits."""

    regex = "[0-9a-f]{8}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class ImageId:
    """Match an image id as URL-safe base64.

    Ids may contain slashes, which servers and proxies change.
    """

    regex = "[A-Za-z0-9_-]{1,540}"

    def to_python(self, value: str) -> str:
        """Return the image id.

        Raises:
            ValueError: the value is not an image id.
        """
        padded = value + "=" * (-len(value) % 4)
        return check_image_id(urlsafe_b64decode(padded).decode())

    def to_url(self, value: str) -> str:
        return urlsafe_b64encode(value.encode()).decode("ascii").rstrip("=")


def parse_image_id(text: str) -> str:
    """Return the image id that a form has sent as in URLs.

    Raises:
        Http404: the text is not an image id.
    """
    try:
        return ImageId().to_python(text)
    except ValueError:
        raise Http404 from None
