"""Send signed requests to one endpoint, with timeouts and retries and without redirects."""

from __future__ import annotations

import io
import ipaddress
import logging
import os
import socket
import ssl
from time import sleep
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import requests
from requests import exceptions as requests_exceptions
from urllib3 import exceptions as urllib3_exceptions
from urllib3.util import Retry

from django_visualsnoop.client.exceptions import TimedOutError, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger("django_visualsnoop.client")

#: Seconds: to connect, or between two bytes; or a pair of these two.
Timeout: TypeAlias = float | tuple[float, float]

DEFAULT_TIMEOUT = (3.05, 30.0)
DEFAULT_MAX_RETRIES = 2
#: A service that asks for a longer wait, in seconds, gets none: the caller is told at once.
LONGEST_WAIT = 30.0
FIRST_BACKOFF = 0.2


def is_plain_http(endpoint: str) -> bool:
    """Return whether requests to ``endpoint`` would cross a network unencrypted."""
    parts = urlsplit(endpoint)
    if parts.scheme.lower() != "http":
        return False
    host = parts.hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost" and not host.endswith(".localhost")


def longest_call(timeout: Timeout, max_retries: int) -> float:
    """Return about how many seconds one call can take at most."""
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return (connect + read) * (max_retries + 1) + LONGEST_WAIT * max_retries


def retry_after(response: requests.Response) -> float | None:
    """Return how many seconds a 429 or 503 asks to wait (a number or an HTTP date)."""
    value = response.headers.get("Retry-After")
    if response.status_code not in {429, 503} or value is None:
        return None
    try:
        return float(Retry().parse_retry_after(value))
    except (urllib3_exceptions.InvalidHeader, ValueError, OverflowError):
        return None


class Transport:
    """Sends requests to one endpoint and returns the responses.

    Args:
        session: its ``auth`` signs each attempt anew.
        max_retries: the number of further attempts after a failure, if repeating is safe.
        timeout: the default of all calls.
    """

    def __init__(self, session: requests.Session, max_retries: int, timeout: Timeout) -> None:
        self.session = session
        self.max_retries = max_retries
        self.timeout = timeout
        self._pid = os.getpid()

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        timeout: Timeout | None = None,
    ) -> requests.Response:
        """Return the response of the last attempt.

        This tries again if it could not connect. For every method except POST, it also tries
        again if the connection fails later, or after a 429 or 503 with a ``Retry-After`` of at
        most ``LONGEST_WAIT``.

        Raises:
            TransportError: no attempt got a response.
        """
        if os.getpid() != self._pid:
            self.session.close()  # a forked child must not share its parent's connections
            self._pid = os.getpid()
        retries_left = self.max_retries
        while True:
            try:
                response = self._attempt(method, url, params, content, timeout)
            except requests.RequestException as error:
                if not retries_left or not _may_repeat(method, error):
                    raise _transport_error(method, url, error) from error
                wait = FIRST_BACKOFF * 2 ** (self.max_retries - retries_left)
            else:
                asked = retry_after(response)
                if not retries_left or method == "POST" or asked is None or asked > LONGEST_WAIT:
                    return response
                wait = asked
            retries_left -= 1
            sleep(wait)

    def _attempt(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        content: bytes | None,
        timeout: Timeout | None,
    ) -> requests.Response:
        # A file goes out block by block, each within the time limit; bytes would have
        # to go out whole within the limit for connecting. No bytes at all, as a file,
        # would be sent chunked, which several servers cannot read.
        body = io.BytesIO(content) if content else content
        return self.session.request(
            method,
            url,
            params=params,
            data=body,
            timeout=self.timeout if timeout is None else timeout,
            allow_redirects=False,
        )


def without_credentials(url: str) -> str:
    """Return ``url`` without a user name, a password and a query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _may_repeat(method: str, error: requests.RequestException) -> bool:
    if isinstance(error, requests_exceptions.SSLError):
        return False
    if _never_connected(error):
        return True
    return method != "POST" and isinstance(
        error,
        (
            requests_exceptions.ConnectionError,
            requests_exceptions.Timeout,
            requests_exceptions.ChunkedEncodingError,
        ),
    )


def _never_connected(error: requests.RequestException) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(error, requests_exceptions.ConnectTimeout) or isinstance(
        getattr(cause, "reason", None), urllib3_exceptions.NewConnectionError
    )


def _transport_error(method: str, url: str, error: requests.RequestException) -> TransportError:
    kind = TimedOutError if isinstance(error, requests_exceptions.Timeout) else TransportError
    logger.debug("%s %s failed", method, without_credentials(url), exc_info=error)
    return kind(f"{method} {without_credentials(url)} got no response: {_reason(error)}.")


def _reason(error: requests.RequestException) -> str:
    """Return in plain words why there was no response."""
    if isinstance(error, requests_exceptions.ConnectTimeout):
        return "connecting took longer than the timeout"
    if isinstance(error, requests_exceptions.Timeout):
        return "it took longer than the timeout"
    causes = list(_causes(error))
    if isinstance(error, requests_exceptions.SSLError):
        checked = [cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)]
        if checked:
            return f"the SSL certificate is not valid ({checked[-1].verify_message})"
        return "the encrypted connection (SSL) failed"
    if isinstance(error, requests_exceptions.ProxyError):
        return "the proxy could not connect"
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return "the host name is unknown"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused; nothing listens on that port"
        if isinstance(cause, OSError) and cause.strerror:
            return f"the connection failed ({cause.strerror})"
    return "the connection was closed"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it came from, the outermost first."""
    seen: set[int] = set()
    ahead: list[object] = [error]
    while ahead:
        one = ahead.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            ahead += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
