"""A process that stands for a search server: it takes each bulk request and answers at once."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"took":1,"errors":false,"items":[{"index":{"status":200}}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def serve(pipe: Connection) -> None:
    """Answer until terminated; tell the pipe on which port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        pipe.send(server.server_port)
        server.serve_forever()
