"""The signature VSHMAC of API v1: how it is read, made and dated.

``Authorization: VSHMAC {public_key}:{base64(HMAC-SHA1(secret, METHOD "\\n" PATH "\\n" DATE))}``
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

from django.views.decorators.debug import sensitive_variables

SCHEME = "VSHMAC"
#: The old client is an hour behind in the repeated hour at the end of daylight saving time.
OLDEST = timedelta(minutes=75)
NEWEST = timedelta(minutes=15)

_PUBLIC_KEY = re.compile("[0-9a-f]{20}")


class Credentials(NamedTuple):
    public_key: str
    signature: str


def parse_authorization(authorization: str) -> Credentials | None:
    """Parse the header ``Authorization``; return ``None`` if it is not VSHMAC.

    Args:
        authorization: the field's value. The scheme's case does not matter (RFC 9110, 11.1).
    """
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != SCHEME.lower():  # in upper case, U+017F is an S
        return None
    public_key, _, signature = credentials.rpartition(":")
    return Credentials(public_key, signature)


def is_public_key(text: str) -> bool:
    """Return whether a key could be called so: 20 hexadecimal digits."""
    return _PUBLIC_KEY.fullmatch(text) is not None


@sensitive_variables("secret")
def sign_request(secret: str, method: str, path: str, date: str) -> str:
    """Return the signature of a request.

    Args:
        secret: white space around it is ignored.
        method: such as ``"POST"``.
        path: percent-encoded, as the client wrote it, without the query.
        date: the value of the header field ``Date``, as it came.
    """
    signed = "\n".join([method, path, date])
    digest = hmac.digest(secret.strip().encode(), _encode(signed), "sha1")
    return b64encode(digest).decode("ascii")


def is_same_signature(signature: str, expected: str) -> bool:
    """Compare two signatures in a time that does not tell how much of them is equal."""
    return hmac.compare_digest(_encode(signature), _encode(expected))


def find_date_problem(date: str, now: datetime) -> str | None:
    """Return why a request of this date is not answered, or ``None``.

    Args:
        date: the value of the header field ``Date`` (RFC 9110, 6.6.1).
        now: the server's time.
    """
    shown = format_datetime(now.astimezone(UTC), usegmt=True)
    try:
        sent = parsedate_to_datetime(date)
        late = now - (sent if sent.tzinfo else sent.replace(tzinfo=UTC))
    except (ValueError, TypeError, IndexError, OverflowError):
        return f"The header Date must look like {shown}, not {date!r:.80}."
    if -NEWEST <= late <= OLDEST:
        return None
    return (
        f"The request is dated {date:.40}, but the server's clock says {shown}. "
        "Set the clock of the client."
    )


def _encode(text: str) -> bytes:
    # Whatever a server makes of odd header fields, this does not raise.
    return text.encode("utf-8", "backslashreplace")
