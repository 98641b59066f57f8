"""The part of a URL after ``?``. It is not signed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from django.http import HttpRequest

DEFAULT_COUNT = 100
MAX_COUNT = 1000
#: More is no query of API v1. Django's own limit would answer HTML.
_MAX_FIELDS = 100


def parse_query(request: HttpRequest) -> dict[str, str]:
    """Return the query's parameters.

    Raises:
        Refused: 400 if it cannot be read, or one is given twice.
    """
    query = request.META.get("QUERY_STRING", "")
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:  # UnicodeDecodeError is one
        raise Refused(400, "The query is not UTF-8. Percent-encode its UTF-8 bytes.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(400, "The query has a parameter twice.")
    return found


def refuse_parameters(request: HttpRequest) -> None:
    """Refuse a call that has no parameters if it was given any.

    The id ``a?b``, not percent-encoded, arrives as ``a`` and a query: without this, deleting it
    would delete ``a``.

    Raises:
        Refused: 400.
    """
    if request.META.get("QUERY_STRING"):
        raise Refused(400, "This call has no query parameters. To use ? in an id, write %3F.")


def parse_count(parameters: dict[str, str]) -> int:
    """Return how many images a page of the listing has: 100 if not said, 1,000 at most.

    Raises:
        Refused: 400 if ``count`` is not a positive integer.
    """
    text = parameters.get("count")
    if text is None:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and text.strip("0")):
        raise Refused(400, f"count must be an integer from 1 to {MAX_COUNT}, not {text!r:.40}.")
    digits = text.lstrip("0")
    return MAX_COUNT if len(digits) > len(str(MAX_COUNT)) else min(int(digits), MAX_COUNT)
