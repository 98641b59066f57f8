"""Reading what was uploaded: as a stream, under a limit, and all of it or nothing."""

from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import contextmanager, suppress
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Self

from django.http.request import UnreadablePostError

from django_visualsnoop.server.conf import DEFAULT_MAX_BYTES
from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.http import HttpRequest

#: Bytes read at a time.
_PIECE = 64 * 1024
#: Seconds that a client may take for 64 KiB of what is read.
PIECE_SECONDS = 30.0
#: Likewise of what is only forgotten, …
DRAIN_PIECE_SECONDS = 1.0
#: … and for all of it.
DRAIN_SECONDS = 10.0
#: Longer files are spooled to disk.
_IN_MEMORY = 1024 * 1024


def read_body(
    request: HttpRequest, max_bytes: int, count_bytes: Callable[[int], object] = bool
) -> bytes:
    """Return the whole body of a request; see ``read_pieces``."""
    return b"".join(read_pieces(request, max_bytes, count_bytes))


def spool_body(
    request: HttpRequest, max_bytes: int, count_bytes: Callable[[int], object] = bool
) -> IO[bytes]:
    """Return the whole body of a request as a file, on disk if it is long; see ``read_pieces``."""
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 -- the caller closes it
    try:
        for piece in read_pieces(request, max_bytes, count_bytes):
            file.write(piece)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def read_pieces(
    request: HttpRequest, max_bytes: int, count_bytes: Callable[[int], object]
) -> Iterator[bytes]:
    """Yield the body of a request. Use no piece before the last has arrived.

    ``request.body`` would refuse more than ``DATA_UPLOAD_MAX_MEMORY_SIZE``, and would accept a
    body that was cut off.

    Args:
        request: the request; nothing of its body may have been read.
        max_bytes: the size limit. If the length is declared, this refuses a longer body before
            reading it.
        count_bytes: called with the length; before the body is read, if the length is declared.

    Raises:
        Refused: 400 if the body is shorter than declared, or too slow; 411 if the server does not
            pass on chunked bodies; 413 if the body is too long.
    """
    declared = _get_declared_length(request)
    if declared is None and _is_wsgi(request):
        if "HTTP_TRANSFER_ENCODING" in request.META:
            raise Refused(411, "The server cannot read a chunked body. Send Content-Length.")
        return
    if declared is not None:
        if declared > max_bytes:
            raise _refuse_too_long(f"has {declared:,} bytes", max_bytes)
        count_bytes(declared)
    length = 0
    try:
        with _Clock(request, PIECE_SECONDS, math.inf) as clock:
            while piece := request.read(_PIECE):
                clock.restart()
                length += len(piece)
                if length > max_bytes:
                    raise _refuse_too_long("is too long", max_bytes)
                yield piece
    except UnreadablePostError:
        raise _refuse_cut_off(length, declared) from None
    if declared is not None and length != declared:
        raise _refuse_cut_off(length, declared)
    if declared is None:
        count_bytes(length)


def drain_body(request: HttpRequest, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
    """Read and discard the rest of a body. Raises no error.

    Some servers close the connection after a response, and the system then resets it if anything
    is unread, so the client would not see the response. A client that sends more than
    ``max_bytes``, or too slowly, may not see it either.

    Args:
        request: the request; its body may have been read in part or completely.
        max_bytes: about how much to read at most.
    """
    stream: Any = request
    if _is_wsgi(request) and _get_declared_length_or_none(request) is None:
        if not request.META.get("wsgi.input_terminated"):
            return  # reading could wait for ever
        stream = request.META["wsgi.input"]
    give_up = time.monotonic() + DRAIN_SECONDS
    with (
        _Clock(request, DRAIN_PIECE_SECONDS, DRAIN_SECONDS) as clock,
        suppress(Exception),  # servers have errors of their own for what is cut off or malformed
    ):
        while piece := stream.read(_PIECE):
            max_bytes -= len(piece)
            if max_bytes <= 0 or time.monotonic() > give_up:
                clock.stop_reading()  # else the server itself would wait for the rest
                return
            clock.restart()


@contextmanager
def limit_reading(request: HttpRequest, seconds: float) -> Iterator[None]:
    """Let reading the body end after some seconds, as if the client had sent no more.

    Args:
        request: whose body may be read in the block.
        seconds: for all of it.
    """
    with _Clock(request, seconds, seconds):
        yield


class _Clock:
    """Stops reading from the client's socket when it sends too slowly.

    Only gunicorn tells which socket that is, and it is the one that needs it: its ``read`` waits
    for as many bytes as were asked for, and holds a thread or a process meanwhile. Other servers
    read a body before they call the application (waitress, ASGI) or have a limit of their own.

    Args:
        request: whose body is read in the block.
        piece_seconds: how long the first piece may take, and each after ``restart``.
        seconds: how long all may take.
    """

    def __init__(self, request: HttpRequest, piece_seconds: float, seconds: float) -> None:
        self._socket = request.META.get("gunicorn.socket")
        self._piece_seconds = piece_seconds
        self._latest = time.monotonic() + seconds
        self._ended = threading.Event()
        self.restart()

    def restart(self) -> None:
        """Begin to wait for another piece."""
        self._deadline = min(self._latest, time.monotonic() + self._piece_seconds)

    def stop_reading(self) -> None:
        """Let each further ``read`` end at once. An answer can be sent, and nothing follows it."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def __enter__(self) -> Self:
        if self._socket is not None:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(max(0.0, self._deadline - time.monotonic())):
            if time.monotonic() >= self._deadline:
                self.stop_reading()
                return


def _is_wsgi(request: HttpRequest) -> bool:
    return not hasattr(request, "scope")


def _get_declared_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refused(400, f"Content-Length must be a number of bytes, not {text!r:.40}.")
    return int(text)


def _get_declared_length_or_none(request: HttpRequest) -> int | None:
    with suppress(Refused):
        return _get_declared_length(request)
    return None


def _refuse_cut_off(length: int, declared: int | None) -> Refused:
    of = "" if declared is None else f" of {declared:,}"
    return Refused(400, f"Only {length:,}{of} bytes arrived. Nothing was changed.")


def _refuse_too_long(what: str, max_bytes: int) -> Refused:
    return Refused(413, f"The file {what}; at most {max_bytes:,} bytes are allowed.")
