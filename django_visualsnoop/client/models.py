"""One collection of a VisualSnoop service."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex
from urllib.parse import quote

import requests

from django_visualsnoop.client import DEFAULT_ENDPOINT
from django_visualsnoop.client.answers import read_answer
from django_visualsnoop.client.exceptions import VisualSnoopError, raise_for_result
from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.client.signing import auth_for
from django_visualsnoop.client.sources import read_image
from django_visualsnoop.client.transport import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    Transport,
    is_plain_http,
    without_credentials,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from django_visualsnoop.client.results import ListedImage
    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.client.transport import Timeout

#: What a server that sees only the decoded path leaves unquoted when it checks a signature.
SAFE_IN_PATH = "/!$&'()*+,:;=@-._~"
LARGEST_PAGE = 1000


class Collection:
    """A collection, named by its public key, on a service that speaks API v1.

    Args:
        public_key: the collection's public key.
        secret_key: the secret key that belongs to it; never shown, pickled or sent.
        endpoint: the base URL of the API, such as ``https://images.example.com/api/v1``.
        proxies: as in ``requests``.
        max_retries: the number of further attempts after a failed connection, or if the
            service asks to try again later. A POST that the service may have received is
            never sent again.
        timeout: the default of all calls: seconds, or a pair (to connect,
            between two bytes).
        connect: whether to ask for ``id``, ``name`` and ``user`` now, which detects wrong
            keys at once, or when one of these is first used.
        signing: ``"v1"`` signs as API v1 does. ``"v2"`` also signs the query and the body,
            which the service must support; see ``signing``.

    Calls return the service's JSON object, also if the image does not exist (404), exists
    already (409) or is refused (400, 411, 413, 415).

    Raises:
        VisualSnoopError: for everything else, here and in each call: ``AuthenticationError``,
            ``RateLimitedError``, ``ServerError``, ``TransportError``, ``NotJSONError``.
        InvalidImageIdError: in calls with an invalid id.
    """

    def __init__(
        self,
        public_key: str,
        secret_key: str,
        endpoint: str = DEFAULT_ENDPOINT,
        proxies: dict[str, str] | None = None,
        max_retries: int = DEFAULT_MAX_RETRIES,
        *,
        timeout: Timeout = DEFAULT_TIMEOUT,
        connect: bool = True,
        signing: str = "v1",
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.session = requests.Session()
        self.session.proxies = dict(proxies or {})
        self.session.auth = auth_for(signing, public_key, secret_key)
        self._transport = Transport(self.session, max_retries, timeout)
        if connect:
            if is_plain_http(self.endpoint):
                warnings.warn(
                    f"The endpoint {without_credentials(self.endpoint)} uses plain http, so images "
                    "and responses are not encrypted. Use an https endpoint.",
                    stacklevel=2,
                )
            self._about  # noqa: B018 -- asks the service

    @cached_property
    def _about(self) -> dict[str, Any]:
        about = self._call("GET", "/collection", params={"session": "init"})
        if "collection_id" not in about:
            message = about.get("message") or "The service did not say which collection this is."
            raise VisualSnoopError(str(message), status=about["status"], payload=about)
        return about

    @property
    def id(self) -> str:
        """The collection's id: 8 hexadecimal digits."""
        return str(self._about["collection_id"])

    @property
    def name(self) -> str:
        return str(self._about.get("collection_name", ""))

    @property
    def user(self) -> str:
        """The e-mail address of the collection's owner."""
        return str(self._about.get("user", ""))

    def get_image(
        self, image_id: str | int | UUID, timeout: Timeout | None = None
    ) -> dict[str, Any]:
        """Return the data of one image.

        Args:
            image_id: the image's id.
            timeout: seconds, or a pair (to connect, between two bytes).
        """
        return self._call("GET", _path("/image", image_id), timeout=timeout)

    def add_image(
        self,
        image: ImageSource,
        image_id: str | int | UUID | None = None,
        update_existing: bool = False,
        timeout: Timeout | None = None,
    ) -> dict[str, Any]:
        """Add one image.

        Args:
            image: path, bytes, binary file (sent from its start) or Django file.
            image_id: the id of the image; if ``None``, the service chooses one and
                returns it as ``"image_id"``.
            update_existing: whether to replace an image that has this id; if false, the
                result is a 409.
            timeout: seconds, or a pair (to connect, between two bytes).
        """
        path = "/image" if image_id is None else _path("/image", image_id)
        method = "PUT" if update_existing and image_id is not None else "POST"
        return self._call(method, path, content=read_image(image), timeout=timeout)

    def delete_image(
        self, image_id: str | int | UUID, timeout: Timeout | None = None
    ) -> dict[str, Any]:
        """Delete one image.

        Args:
            image_id: the image's id.
            timeout: seconds, or a pair (to connect, between two bytes).
        """
        return self._call("DELETE", _path("/image", image_id), timeout=timeout)

    def search_images_by_id(
        self, image_id: str | int | UUID, timeout: Timeout | None = None
    ) -> dict[str, Any]:
        """Find images that look like a stored image, closest first.

        Args:
            image_id: the id of the stored image.
            timeout: seconds, or a pair (to connect, between two bytes).
        """
        return self._call("GET", _path("/search", image_id), timeout=timeout)

    def search_images(self, image: ImageSource, timeout: Timeout | None = None) -> dict[str, Any]:
        """Find images that look like a picture, closest first.

        Args:
            image: path, bytes, binary file (sent from its start) or Django file.
            timeout: seconds, or a pair (to connect, between two bytes).
        """
        return self._call("POST", "/search", content=read_image(image), timeout=timeout)

    def get_images(
        self,
        start: str | None = None,
        count: int | None = None,
        timeout: Timeout | None = None,
    ) -> dict[str, Any]:
        """List one page of the collection's images, newest first.

        Args:
            start: the id to start with: ``"next_image_id"`` of the previous page.
            count: the size of the page; if ``None``, the service's default.
            timeout: seconds, or a pair (to connect, between two bytes).
        """
        params: dict[str, str | int] = {}
        if start:
            params["start"] = check_image_id(start)
        if count:
            params["count"] = count
        return self._call("GET", "/images", params=params, timeout=timeout)

    def iter_images(self, timeout: Timeout | None = None) -> Iterator[ListedImage]:
        """Yield all images, newest first. Requests one page at a time.

        Args:
            timeout: for each page: seconds, or a pair (to connect, between two bytes).
        """
        start = None
        while True:
            page = self.get_images(start=start, count=LARGEST_PAGE, timeout=timeout)
            raise_for_result(page)
            yield from page["images"]
            start = page["next_image_id"]
            if start is None:
                return

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        timeout: Timeout | None = None,
    ) -> dict[str, Any]:
        response = self._transport.send(
            method, self.endpoint + path, params=params, content=content, timeout=timeout
        )
        return read_answer(response, path, image_sent=content is not None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {without_credentials(self.endpoint)}>"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(
            "You cannot pickle or copy a Collection, because it holds a secret key. "
            "Create a new one from its keys where you need it."
        )


def _path(prefix: str, image_id: object) -> str:
    return f"{prefix}/{quote(check_image_id(image_id), safe=SAFE_IN_PATH)}"
