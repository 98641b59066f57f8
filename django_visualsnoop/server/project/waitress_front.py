"""A waitress server that does not read long bodies of unknown clients."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from django.core.handlers.wsgi import WSGIRequest

from django_visualsnoop.server.project.front import ANYBODYS_BYTES, refuse_too_long, refuse_unknown

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

# Imported by name, because they have no types.
_channel: Any = import_module("waitress.channel")
_parser: Any = import_module("waitress.parser")


class _Refusal:
    """A refusal in the form of waitress's own errors."""

    def __init__(self, response: HttpResponse) -> None:
        self._response = response

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:  # noqa: ARG002 -- waitress's
        response = self._response
        return (
            f"{response.status_code} {response.reason_phrase}",
            list(response.items()),
            response.content,
        )


class Parser(_parser.HTTPRequestParser):  # type: ignore[misc]
    """End a request after its head if it has a long body and the client is unknown."""

    error: Any

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self._refusal: HttpResponse | None = None

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked or self.content_length > ANYBODYS_BYTES:
            self._refusal = refuse_unknown(self._head())
            if self._refusal is not None:
                self.expect_continue = False

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if isinstance(self.error, _parser.RequestEntityTooLarge):
            self.error = _Refusal(refuse_too_long(self._head()))
        elif self._refusal is not None and self.error is None:
            self.error = _Refusal(self._refusal)
            self.completed = True
        return consumed

    def _head(self) -> HttpRequest:
        fields = {
            name if name.startswith("CONTENT_") else f"HTTP_{name}": value
            for name, value in self.headers.items()
        }
        return WSGIRequest(
            {
                **fields,
                "REQUEST_METHOD": self.command.upper(),
                "SCRIPT_NAME": "",
                "PATH_INFO": self.path,
                "QUERY_STRING": self.query,
                "REQUEST_URI": self.request_uri,
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "wsgi.url_scheme": self.url_scheme,
                "wsgi.input": BytesIO(),
            }
        )


class Channel(_channel.HTTPChannel):  # type: ignore[misc]
    """Waitress's state of one connection."""

    parser_class = Parser
