"""Requests that crossed a network unencrypted are refused, unless the settings allow them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from django.http import HttpRequest

#: A proxy adds one of these, and then the address is the proxy's.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP")


def require_https(request: HttpRequest) -> None:
    """Refuse plain HTTP, but for what never left this machine.

    Never by a redirect: it would turn a POST into a GET and invalidate the signature.

    Raises:
        Refused: 403.
    """
    if request.is_secure() or get_options().allow_http or _is_local(request):
        return
    raise Refused(
        403,
        "Plain HTTP is not allowed. Use an https endpoint. If you did, a proxy terminates TLS: "
        "set SECURE_PROXY_SSL_HEADER in the server's Django settings.",
    )


def _is_local(request: HttpRequest) -> bool:
    meta = request.META
    return (
        _is_loopback(meta.get("REMOTE_ADDR", ""))
        and _is_loopback(_parse_host(meta.get("HTTP_HOST", "localhost")))
        and not any(name in meta for name in _FORWARDED)
    )


def _parse_host(field: str) -> str:
    """Return the host of a header field ``Host``, without the port."""
    if field.startswith("["):
        return field[1:].partition("]")[0]
    return field.partition(":")[0]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
