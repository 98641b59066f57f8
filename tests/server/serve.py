"""``python -m tests.server.serve NAME FD``: the test project under a server, on an open socket."""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

#: Under gunicorn: the process that answered, the request line, the status.
ACCESS_LOG = "answered by %(p)s: %(r)s %(s)s"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")


def main(name: str, fd: int) -> None:
    listening = socket.socket(fileno=fd)
    name, _, interface = name.partition("-")
    # By name: not all of them have types.
    server = import_module(name)
    if name == "gunicorn":
        sys.argv = [
            "gunicorn",
            *("--bind", f"fd://{fd}", "--workers", "2", "--preload", "--access-logfile", "-"),
            *("--access-logformat", ACCESS_LOG),
            *("--threads", "4" if interface == "stock" else "1"),
            "django.core.wsgi:get_wsgi_application()",
        ]
        import_module("gunicorn.app.wsgiapp").run()
    elif name == "uvicorn":
        config = server.Config(get_asgi_application(), lifespan="off", http="h11")
        server.Server(config).run(sockets=[listening])
    elif name == "daphne":
        daphne = import_module("daphne.server").Server
        daphne(get_asgi_application(), endpoints=[f"fd:fileno={fd}"]).run()
    elif name == "granian":
        # It takes no open socket: it opens its own on the port that this one keeps for it.
        target = f"django.core.{interface}:get_{interface}_application"
        address, port = listening.getsockname()
        server.Granian(target, address, port, interface=interface, factory=True).serve()
    else:
        server.serve(get_wsgi_application(), sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
