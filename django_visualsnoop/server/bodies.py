"""Reading what was uploaded: as a stream, under a limit, and all of it or nothing."""

from __future__ import annotations

from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from django.http.request import UnreadablePostError

from django_visualsnoop.server.answers import Refused
from django_visualsnoop.server.conf import DEFAULT_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest

#: Bytes read at a time.
_PIECE = 64 * 1024
#: Longer files are spooled to disk.
_IN_MEMORY = 1024 * 1024


def read_body(request: HttpRequest, max_bytes: int, spend: Callable[[int], object] = bool) -> bytes:
    """Return the whole body of a request; see ``pieces_of``."""
    return b"".join(pieces_of(request, max_bytes, spend))


def spooled_body(
    request: HttpRequest, max_bytes: int, spend: Callable[[int], object] = bool
) -> IO[bytes]:
    """Return the whole body of a request as a file, on disk if it is long; see ``pieces_of``."""
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 -- the caller closes it
    try:
        for piece in pieces_of(request, max_bytes, spend):
            file.write(piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def pieces_of(
    request: HttpRequest, max_bytes: int, spend: Callable[[int], object]
) -> Iterator[bytes]:
    """Yield the body of a request; what came is good only once the last piece has come.

    ``request.body`` would refuse more than ``DATA_UPLOAD_MAX_MEMORY_SIZE``, and take a body that
    was cut off for a whole one.

    Args:
        request: of which nothing was read yet.
        max_bytes: longer ones are refused, before they are read if their length is declared.
        spend: is called with the length, before the body is read if that is declared.

    Raises:
        Refused: 400 if less came than was declared; 411 if the server passes on no chunked body;
            413 if it is too long.
    """
    declared = _declared_length(request)
    if declared is None and _is_wsgi(request):
        if "HTTP_TRANSFER_ENCODING" in request.META:
            raise Refused(411, "A chunked body cannot be read here: send it with Content-Length.")
        return
    if declared is not None:
        if declared > max_bytes:
            raise _too_long(f"has {declared:,} bytes", max_bytes)
        spend(declared)
    length = 0
    try:
        while piece := request.read(_PIECE):
            length += len(piece)
            if length > max_bytes:
                raise _too_long("is longer", max_bytes)
            yield piece
    except UnreadablePostError:
        raise _cut_off(length, declared) from None
    if declared is not None and length != declared:
        raise _cut_off(length, declared)
    if declared is None:
        spend(length)


def drain(request: HttpRequest, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
    """Read and forget what the client still sends; it raises nothing.

    Some servers close the connection after an answer, and the system then resets it if anything
    is unread: the client would see no answer. Whoever sends more than ``max_bytes`` may see that.

    Args:
        request: of which some, all or nothing was read.
        max_bytes: not much more is read.
    """
    stream: Any = request
    if _is_wsgi(request) and _declared_length_or_none(request) is None:
        if not request.META.get("wsgi.input_terminated"):
            return  # reading could wait for ever
        stream = request.META["wsgi.input"]
    with suppress(Exception):  # servers have errors of their own for what is cut off or malformed
        while max_bytes > 0 and (piece := stream.read(_PIECE)):
            max_bytes -= len(piece)


def _is_wsgi(request: HttpRequest) -> bool:
    return not hasattr(request, "scope")


def _declared_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refused(400, f"Content-Length is {text!r:.40}; it must be a number of bytes.")
    return int(text)


def _declared_length_or_none(request: HttpRequest) -> int | None:
    with suppress(Refused):
        return _declared_length(request)
    return None


def _cut_off(length: int, declared: int | None) -> Refused:
    of = "more" if declared is None else f"{declared:,}"
    return Refused(400, f"Only {length:,} bytes of {of} arrived. Nothing was changed.")


def _too_long(what: str, max_bytes: int) -> Refused:
    return Refused(413, f"The file {what}; at most {max_bytes:,} bytes are read.")
