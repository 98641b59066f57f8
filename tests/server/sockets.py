"""Requests whose bodies come late."""

from __future__ import annotations

import http.client
import socket

from tests.server.serving import PATIENCE


def begin(port: int, path: str, length: int, *fields: str) -> socket.socket:
    """Send the head of a request with a body, and nothing of the body."""
    sent = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Length: {length}",
        "Content-Type: application/x-www-form-urlencoded",
        *fields,
    ]
    sent.sendall("\r\n".join([*lines, "", ""]).encode())
    return sent


def status_of(sent: socket.socket) -> int:
    response = http.client.HTTPResponse(sent)
    response.begin()
    return response.status
