"""``visualsnoop-server``: makes what is missing, then serves; other words are commands."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_SETTINGS = "django_visualsnoop.server.project.settings"
DEFAULT_LISTEN = "127.0.0.1:8000"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after the program's name; the process's own if ``None``.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] not in ("serve", "createuser") and not words[0].startswith("-"):
        return _run_management_command(words)
    parser = argparse.ArgumentParser(
        prog="visualsnoop-server",
        description="Serve VisualSnoop. Any other word runs a management command, such as "
        "changepassword or visualsnoop_createcollection; help lists them.",
    )
    commands = parser.add_subparsers(dest="command")
    serve = commands.add_parser(
        "serve", help="create or migrate the tables, then serve; the default"
    )
    for one in (parser, serve):
        one.add_argument(
            "--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help="default: %(default)s"
        )
        one.add_argument("--threads", type=int, default=8, help="default: %(default)s")
    create = commands.add_parser(
        "createuser", help="create an account; the first one is the administrator"
    )
    create.add_argument("email", help="the address to sign in with")
    create.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    given = parser.parse_args(words)
    _set_up()
    if given.command == "createuser":
        from django_visualsnoop.server.project.first_account import create_user

        return create_user(given.email, given.password_stdin)
    return _serve(given.listen, given.threads)


def _run_management_command(words: list[str]) -> int:
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", _SETTINGS)
    execute_from_command_line(["visualsnoop-server", *words])
    return 0


def _set_up() -> None:
    import django
    from django.core.management import call_command

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", _SETTINGS)
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


def _serve(listen: str, threads: int) -> int:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.wsgi import get_wsgi_application

    from django_visualsnoop.server.project.environment import get_data_folder
    from django_visualsnoop.server.project.front import get_most_bytes
    from django_visualsnoop.server.project.waitress_front import Channel

    # By name: it has no types.
    waitress = import_module("waitress")
    options: dict[str, Any] = {
        "listen": listen,
        "threads": threads,
        "ident": None,
        # One byte more than is read: waitress refuses a body of just so many.
        "max_request_body_size": get_most_bytes() + 1,
    }
    behind_https = getattr(settings, "BEHIND_HTTPS", False)
    if behind_https:
        options |= {
            "trusted_proxy": os.environ.get("VISUALSNOOP_PROXY") or "127.0.0.1",
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
            "clear_untrusted_proxy_headers": True,
        }
    try:
        sockets: dict[int, Any] = {}
        server = waitress.create_server(get_wsgi_application(), map=sockets, **options)
        for one in sockets.values():
            if hasattr(one, "channel_class"):
                one.channel_class = Channel
    except (OSError, ValueError) as error:
        print(
            f"Could not listen on {listen}: {error}. If the server runs already, stop it or use "
            "another port: visualsnoop-server --listen 127.0.0.1:8001",
            file=sys.stderr,
        )
        return 1
    print(f"VisualSnoop runs at http://{listen}/ and keeps its data in {get_data_folder()}")
    if not behind_https and not listen.startswith(("127.", "localhost:", "[::1]")):
        print(
            "Without TLS, others can read passwords and pictures on the network. Put a web server "
            "in front that terminates TLS, and set VISUALSNOOP_HTTPS=1."
        )
    if not get_user_model()._default_manager.exists():
        print(
            "No account exists yet. In another terminal, type: visualsnoop-server createuser EMAIL"
        )
    print("Ctrl-C stops the server.", flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
