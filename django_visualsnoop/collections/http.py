"""A collection on any service that implements API v1."""

from __future__ import annotations

from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.checks import Error, Warning  # noqa: A004 -- Django's name
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.client import models as client
from django_visualsnoop.client.exceptions import ImageRefusedError, ServerError, raise_for_result
from django_visualsnoop.client.signing import SIGNINGS
from django_visualsnoop.client.sources import read_image
from django_visualsnoop.client.transport import (
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    is_plain_http,
    longest_call,
)
from django_visualsnoop.collections.base import (
    DEFAULT_MAX_BYTES,
    BaseCollection,
    build_refused_setting,
    read_page_size,
)
from django_visualsnoop.collections.narrowing import narrow_matches
from django_visualsnoop.collections.results import (
    ImageInfo,
    ImageInfoPage,
    ImageMatch,
    SearchResult,
)
from django_visualsnoop.common.options import POSITIVE_INTEGER, Option, check_options
from django_visualsnoop.common.search_options import (
    DEFAULT_OPTIONS,
    RELATIONS,
    SIMILAR,
    SearchOptions,
)
from django_visualsnoop.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.checks import CheckMessage

    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.client.transport import Timeout

#: Required setting → example value.
REQUIRED = {
    "ENDPOINT": '"https://images.example.com/api/v1"',
    "PUBLIC_KEY": 'os.environ["VISUALSNOOP_PUBLIC_KEY"]',
    "SECRET_KEY": 'os.environ["VISUALSNOOP_SECRET_KEY"]',
}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_url(value: object) -> bool:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:  # such as "http://["
        return False
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_timeout(value: object) -> bool:
    numbers = value if isinstance(value, (tuple, list)) else (value, value)
    return len(numbers) == 2 and all(
        isinstance(number, (int, float)) and number > 0 for number in numbers
    )


#: The setting of an alias.
_PARAMS = {
    "BACKEND": Option("a dotted path", _is_text),
    "NAME": Option("a name", _is_text),
    "ENDPOINT": Option('a URL such as "https://images.example.com/api/v1"', _is_url),
    "PUBLIC_KEY": Option("a non-empty string", _is_text, is_secret=True),
    "SECRET_KEY": Option("a non-empty string", _is_text, is_secret=True),
    "TIMEOUT": Option(
        "a number of seconds, or a pair such as (3.05, 30) for connecting and for waiting for the "
        "next byte",
        _is_timeout,
    ),
    "OPTIONS": Option("a dict", lambda value: value is None or isinstance(value, dict)),
}
_OPTIONS = {
    "max_bytes": POSITIVE_INTEGER,
    "max_retries": Option("an integer, 0 or more", _is_count),
    "proxies": Option(
        'a dict such as {"https": "http://proxy.example.com:3128"}',
        lambda value: value is None or isinstance(value, dict),
        is_secret=True,  # the URL of a proxy may contain a password
    ),
    "signing": Option(" or ".join(f'"{one}"' for one in SIGNINGS), SIGNINGS.__contains__),
}


class HTTPCollection(BaseCollection):
    """A collection on a VisualSnoop service.

    Args:
        alias: the key in ``VISUALSNOOP``.
        params: ``ENDPOINT`` (the base URL of the API), ``PUBLIC_KEY`` and ``SECRET_KEY``;
            optionally ``TIMEOUT`` (seconds, or a pair: for connecting, and between two bytes)
            and ``OPTIONS``, a dict of ``max_bytes`` (larger files are not sent),
            ``max_retries``, ``proxies`` (as in ``requests``) and ``signing`` (``"v1"`` or
            ``"v2"``).

    ``min_similarity`` is supported if the service adds ``"similarity"`` to its matches, which is
    optional in API v1. ``limit`` and ``allowed`` filter the matches that the service returns,
    whose number it may limit. API v1 has one kind of search, usually for copies: both kinds return
    what the service finds.

    Raises:
        ImproperlyConfigured: a setting is missing or invalid.
    """

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        _check(alias, params)
        options = params.get("OPTIONS") or {}
        timeout = _read_timeout(params.get("TIMEOUT", DEFAULT_TIMEOUT))
        max_retries = options.get("max_retries", DEFAULT_MAX_RETRIES)
        self.longest_call = longest_call(timeout, max_retries)
        self.max_bytes = options.get("max_bytes", DEFAULT_MAX_BYTES)
        self._client = client.Collection(
            params["PUBLIC_KEY"],
            params["SECRET_KEY"],
            endpoint=params["ENDPOINT"],
            proxies=options.get("proxies"),
            max_retries=max_retries,
            timeout=timeout,
            connect=False,
            signing=options.get("signing", SIGNINGS[0]),
        )

    @classmethod
    def check(cls, alias: str, params: Mapping[str, Any]) -> list[CheckMessage]:
        missing: list[CheckMessage] = [
            Error(
                f"VISUALSNOOP[{alias!r}] does not set {key}.",
                hint=f'Add "{key}": {example} to VISUALSNOOP[{alias!r}] in the settings.',
                id="visualsnoop.E013",
            )
            for key, example in REQUIRED.items()
            if not params.get(key)
        ]
        if missing:
            return missing
        try:
            _check(alias, params)
        except ImproperlyConfigured as error:
            return [build_refused_setting(alias, error)]
        if not is_plain_http(params["ENDPOINT"]):
            return []
        return [
            Warning(
                f"VISUALSNOOP[{alias!r}] sends pictures over an unencrypted connection.",
                hint=f'Set "ENDPOINT": "https://…" in VISUALSNOOP[{alias!r}].',
                id="visualsnoop.W002",
            )
        ]

    def add_image(
        self,
        image: ImageSource,
        image_id: str | None = None,
        update_existing: bool = False,
    ) -> ImageInfo:
        result = self._client.add_image(_read_content(image), image_id, update_existing)
        self._check_success(result, "image_id", image_sent=True)
        return _build_image_info(result, created=result["status"] == 201)

    def get_image(self, image_id: str) -> ImageInfo:
        result = self._check_success(self._client.get_image(image_id), "image_id")
        return _build_image_info(result)

    def delete_image(self, image_id: str) -> ImageInfo:
        result = self._check_success(self._client.delete_image(image_id), "image_id")
        return _build_image_info(result)

    def get_images(self, start: str | None = None, count: int | None = None) -> ImageInfoPage:
        result = self._client.get_images(start, read_page_size(count))
        self._check_success(result, "images", "next_image_id")
        collection_id = result.get("collection_id", "")
        return ImageInfoPage(
            collection_id,
            [
                ImageInfo(collection_id, listed["id"], _read_time(listed.get("image_time")))
                for listed in result["images"]
            ],
            result["next_image_id"],
        )

    def search_images(
        self, image: ImageSource, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        result = self._client.search_images(_read_content(image))
        self._check_success(result, "results", image_sent=True)
        matches = narrow_matches(_build_matches(result), options)
        return SearchResult(result.get("collection_id", ""), matches)

    def search_images_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        result = self._check_success(self._client.search_images_by_id(image_id), "results")
        matches = narrow_matches(_build_matches(result), options)
        image = _build_image_info({"image_id": image_id, **result})
        return SearchResult(image.collection_id, matches, image)

    def _check_success(
        self, result: dict[str, Any], *expected: str, image_sent: bool = False
    ) -> dict[str, Any]:
        raise_for_result(result, image_sent=image_sent)
        missing = [key for key in expected if key not in result]
        if missing:
            raise ServerError(
                f"The response does not contain {' and '.join(missing)}, so it is not from a "
                "VisualSnoop service. "
                f'Check VISUALSNOOP["{self.alias}"]["ENDPOINT"].',
                status=result["status"],
                payload=result,
            )
        return result


def _build_image_info(result: Mapping[str, Any], *, created: bool = False) -> ImageInfo:
    return ImageInfo(
        result.get("collection_id", ""),
        result["image_id"],
        _read_time(result.get("image_time")),
        created,
    )


def _build_matches(result: Mapping[str, Any]) -> list[ImageMatch]:
    return [
        ImageMatch(
            match["id"],
            match["rank"],
            match.get("similarity"),
            _read_relation(match.get("relation")),
            match.get("difference"),
        )
        for match in result["results"]
    ]


def _read_relation(text: Any) -> str | None:
    """Return the relation that a service gives; ``None`` if it gives none, or a new one."""
    return text if text in (*RELATIONS, SIMILAR) else None


def _read_time(text: Any) -> datetime | None:
    """Return the time that a service gives in RFC 3339; ``None`` if it gives something else."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _read_content(image: ImageSource) -> bytes:
    content = read_image(image)
    if not content:  # the response would depend on the web server in front of the service
        raise ImageRefusedError("The image is empty (0 bytes).", reason="empty", status=400)
    return content


def _check(alias: str, params: Mapping[str, Any]) -> None:
    setting = f'VISUALSNOOP["{alias}"]'
    for key in REQUIRED:
        if not params.get(key):
            raise ImproperlyConfigured(
                f'{setting}["{key}"] is missing or empty. Add it to the settings.'
            )
    check_options(setting, params, _PARAMS)
    options = params.get("OPTIONS") or {}
    check_options(f'{setting}["OPTIONS"]', options, _OPTIONS)
    if options.get("signing") == "v2" and find_spec("http_message_signatures") is None:
        raise MissingExtra(f'{setting}["OPTIONS"]["signing"]', "signing")


def _read_timeout(value: Any) -> Timeout:
    numbers = value if isinstance(value, (tuple, list)) else (value, value)
    connecting, reading = map(float, numbers)
    return connecting, reading
