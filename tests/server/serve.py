"""``python -m tests.server.serve NAME FD``: the test project under a server, on an open socket."""

from __future__ import annotations

import os
import socket
import sys
from importlib import import_module

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")


def main(name: str, fd: int) -> None:
    # By name: not all of them have types.
    server = import_module(name)
    if name == "gunicorn":
        sys.argv = [
            "gunicorn",
            *("--bind", f"fd://{fd}", "--workers", "2", "--preload", "--access-logfile", "-"),
            "django.core.wsgi:get_wsgi_application()",
        ]
        import_module("gunicorn.app.wsgiapp").run()
    elif name == "uvicorn":
        config = server.Config(get_asgi_application(), lifespan="off", http="h11")
        server.Server(config).run(sockets=[socket.socket(fileno=fd)])
    else:
        server.serve(get_wsgi_application(), sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
