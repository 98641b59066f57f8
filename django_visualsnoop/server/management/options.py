"""What the commands that make keys have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_visualsnoop.server.tenants.keys import SCOPES

if TYPE_CHECKING:
    from datetime import datetime

    from django.core.management.base import CommandParser

    from django_visualsnoop.server.tenants.keys import NewKey


def add_key_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--scopes",
        default=",".join(SCOPES),
        help="what the key allows, separated by commas; default: %(default)s",
    )
    parser.add_argument("--not-before", help="a time such as 2030-01-31T12:00:00+00:00")
    parser.add_argument("--expires", help="a time such as 2030-12-31T12:00:00+00:00")
    parser.add_argument(
        "--no-v1",
        action="store_true",
        help="refuse VSHMAC signatures, which cover neither query nor body",
    )


def parse_key_options(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for ``make_key``.

    Raises:
        CommandError: an option cannot be read.
    """
    return {
        "scopes": [scope.strip() for scope in given["scopes"].split(",")],
        "not_before": _parse_time("--not-before", given["not_before"]),
        "expires_at": _parse_time("--expires", given["expires"]),
        "allow_v1": not given["no_v1"],
    }


def format_key(new: NewKey) -> str:
    """Return the JSON object that shows a key, this once with its secret."""
    return json.dumps(
        {
            "collection_id": new.key.collection_id,
            "public_key": new.key.public_key,
            "secret_key": new.secret,
        }
    )


def _parse_time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = parse_datetime(text)
    except ValueError:
        parsed = None
    if parsed is None:
        raise CommandError(
            f"{option} must be a time such as 2030-01-31T12:00:00+00:00, not {text!r}."
        )
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
