"""API v1 over a real socket, in memory, with faults on demand: what a client is tested against."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote_to_bytes
from uuid import uuid4

from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING:
    from email.message import Message

PUBLIC_KEY = "24d337fe0ed9427cb512"
SECRET_KEY = "sUGSL96ZvNxqHixSPUopX5L1MtSPdkjrSPrPOCMX"
COLLECTION_ID = "5eed1234"


@dataclass
class Fault:
    """What the server does with one request instead of answering it.

    Args:
        status, headers, body: the answer, sent as it is.
        cut: send half of the body, then close.
        reset: read the request, then reset the connection.
        silent_until: wait for this before answering.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cut: bool = False
    reset: bool = False
    silent_until: threading.Event | None = None

    @classmethod
    def refusal(cls, status: int, message: str = "no", **headers: str) -> Self:
        body = json.dumps({"status": status, "message": message}).encode()
        return cls(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@dataclass(frozen=True)
class Received:
    method: str
    #: As it came: path and query, percent-encoded.
    target: str
    headers: Message
    body: bytes
    port: int


@dataclass
class _Stored:
    looks: bytes
    time: datetime
    #: SHA-256 of the file, in hex.
    digest: str


class Refused(Exception):  # noqa: N818
    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message


class Service:
    """The collection and its rules, without HTTP."""

    def __init__(self) -> None:
        self.images: dict[str, _Stored] = {}
        self.times: dict[str, datetime] = {}
        self.last_time = datetime.min.replace(tzinfo=UTC)

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> dict[str, Any]:
        raw_path, _, query = target.partition("?")
        self.authenticate(method, raw_path, headers)
        path = raw_path.removeprefix("/api/v1")
        kind, _, raw_id = path.removeprefix("/").partition("/")
        if query and kind in {"image", "search"}:
            raise Refused(400, "Unknown query parameter")
        if (method, path) == ("GET", "/collection"):
            return {
                "collection_id": COLLECTION_ID,
                "collection_name": "Tests",
                "user": "someone@example.com",
                "status": 200,
                "message": "OK",
            }
        if (method, path) == ("GET", "/images"):
            return self.listing(parse_qs(query, errors="strict"))
        if (method, path) == ("POST", "/search"):
            return self.searched(see(body), without=None)
        if (method, path) == ("POST", "/image"):
            return self.added(uuid4().hex, body)
        image_id = unquote_to_bytes(raw_id).decode()
        if not 1 <= len(image_id) <= 100 or "\0" in image_id:
            raise Refused(400, "Bad image id")
        if kind == "image" and method == "POST":
            if image_id in self.images:
                raise Refused(409, "Image ID exists")
            return self.added(image_id, body)
        if kind == "image" and method == "PUT":
            return self.added(image_id, body)
        if image_id not in self.images:
            raise Refused(404, "Image not found")
        about = self.about(image_id, 200, "OK")
        if (method, kind) == ("GET", "search"):
            return {**about, **self.searched(self.images[image_id].looks, without=image_id)}
        if (method, kind) == ("DELETE", "image"):
            del self.images[image_id]
            return {**about, "message": "Deleted"}
        if (method, kind) == ("GET", "image"):
            return about
        raise Refused(405, "Method not allowed")

    def authenticate(self, method: str, raw_path: str, headers: Message) -> None:
        scheme, _, credentials = headers.get("Authorization", "").partition(" ")
        public_key, _, signature = credentials.rpartition(":")
        date = headers.get("Date", "")
        signed = f"{method}\n{raw_path}\n{date}".encode()
        wanted = base64.b64encode(hmac.digest(SECRET_KEY.encode(), signed, "sha1")).decode()
        if (scheme, public_key, signature) != ("VSHMAC", PUBLIC_KEY, wanted):
            raise Refused(401, "Unknown key or bad signature")
        late = datetime.now(UTC) - parsedate_to_datetime(date).replace(tzinfo=UTC)
        if not -timedelta(minutes=15) <= late <= timedelta(minutes=75):
            raise Refused(401, "The clock is wrong")

    def added(self, image_id: str, body: bytes) -> dict[str, Any]:
        looks = see(body)
        existed = image_id in self.images
        self.last_time = max(datetime.now(UTC), self.last_time + timedelta(microseconds=1))
        self.times[image_id] = self.last_time
        self.images[image_id] = _Stored(looks, self.last_time, hashlib.sha256(body).hexdigest())
        return self.about(image_id, 200 if existed else 201, "Updated" if existed else "Added")

    def about(self, image_id: str, status: int, message: str) -> dict[str, Any]:
        return {
            "image_time": self.images[image_id].time.isoformat(timespec="microseconds"),
            "collection_id": COLLECTION_ID,
            "image_id": image_id,
            "message": message,
            "status": status,
        }

    def searched(self, looks: bytes, *, without: str | None) -> dict[str, Any]:
        results = [
            {"id": image_id, "rank": 0}
            for image_id, stored in self.images.items()
            if stored.looks == looks and image_id != without
        ]
        return {
            "collection_id": COLLECTION_ID,
            "results": results,
            "message": "OK",
            "status": 200,
        }

    def listing(self, query: dict[str, list[str]]) -> dict[str, Any]:
        count = query.get("count", ["100"])[0]
        if not re.fullmatch("[1-9][0-9]*", count):
            raise Refused(400, "count is no positive integer")
        listed = sorted(self.images.items(), key=lambda item: item[1].time, reverse=True)
        if "start" in query:
            start = self.times.get(query["start"][0])
            if start is None:
                raise Refused(404, "Image not found")
            listed = [item for item in listed if item[1].time <= start]
        size = min(int(count), 1000)
        return {
            "collection_id": COLLECTION_ID,
            "images": [
                {"id": image_id, "image_time": stored.time.isoformat(timespec="microseconds")}
                for image_id, stored in listed[:size]
            ],
            "next_image_id": listed[size][0] if len(listed) > size else None,
            "message": "OK",
            "status": 200,
        }


def see(body: bytes) -> bytes:
    """Return what two pictures share that look the same to this server."""
    if not body:
        raise Refused(400, "The image is empty")
    try:
        with Image.open(io.BytesIO(body)) as picture:
            return picture.convert("L").resize((16, 16)).tobytes()
    except UnidentifiedImageError:
        raise Refused(415, "Unsupported format") from None
    except (OSError, SyntaxError):
        raise Refused(400, "The image cannot be decoded") from None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: V1Server

    def respond(self) -> None:
        if "Content-Length" not in self.headers and "Transfer-Encoding" in self.headers:
            self.send(Fault.refusal(411, "Content-Length needed"))
            return
        length = int(self.headers.get("Content-Length", "0"))
        body = self.read_body(length)
        if len(body) < length:  # the client hung up, and none of this is an image
            self.close_connection = True
            return
        self.server.received.append(
            Received(self.command, self.path, self.headers, body, self.client_address[1])
        )
        if self.server.faults:
            self.fail(self.server.faults.popleft())
            return
        try:
            with self.server.lock:
                answer = self.server.service.answer(self.command, self.path, self.headers, body)
        except Refused as refused:
            answer = {"status": refused.status, "message": refused.message}
        self.send(Fault(answer["status"], body=json.dumps(answer).encode()))

    do_GET = do_POST = do_PUT = do_DELETE = respond  # noqa: N815

    def read_body(self, length: int) -> bytes:
        pieces = []
        while length:
            sleep(self.server.pause_between_reads)
            piece = self.rfile.read(min(length, 1 << 20))
            if not piece:
                break
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def fail(self, fault: Fault) -> None:
        if fault.silent_until is not None:
            fault.silent_until.wait(30)
        if fault.reset:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        self.send(fault)

    def send(self, fault: Fault) -> None:
        self.send_response(fault.status)
        for name, value in {"Content-Type": "application/json", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(fault.body)))
        self.end_headers()
        self.wfile.write(fault.body[: len(fault.body) // 2] if fault.cut else fault.body)
        self.close_connection = self.close_connection or fault.cut

    def log_message(self, *args: object) -> None:
        pass


class V1Server(ThreadingHTTPServer):
    """Use it in a ``with`` block; ``endpoint`` is its base URL.

    ``faults`` are taken one per request before the service answers itself;
    ``received`` holds every request as it came.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = Service()
        self.faults: deque[Fault] = deque()
        self.received: list[Received] = []
        self.pause_between_reads = 0.0
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/v1"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients that hang up are part of the tests."""
