"""``make demo``: a shop and an archive, filled, indexed by a real worker, and served.

It writes into one folder only. Run it again to go on from what is there.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from children import run, running
from installing import CHECKOUT, install_package, install_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
FIRST_PORT = 8000
#: Seconds that the server may take to answer for the first time.
SERVER_START = 30.0


class DemoError(Exception):
    """What to tell the user before the demo ends."""


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        arguments.data.mkdir(parents=True, exist_ok=True)
        with _alone_in(arguments.data):
            return _run(arguments)
    except KeyboardInterrupt:
        print("\nStopped half-way; the next run goes on from here.", flush=True)
        return 130
    except subprocess.CalledProcessError as error:
        print(f"\nThis command failed: {' '.join(error.cmd)}", file=sys.stderr)
    except DemoError as error:
        print(f"\n{error}", file=sys.stderr)
    return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--no-serve", action="store_true", help="stop once the copies are shown")
    parser.add_argument("--data", type=_folder, default=CHECKOUT / ".demo", help="where to write")
    parser.add_argument("--python", type=Path, help="one with all installed; made if not given")
    parser.add_argument("--pictures", type=_folder, help="folder; downloaded if not given")
    return parser.parse_args()


def _folder(text: str) -> Path:
    return Path(text).resolve()


def _run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    data: Path = arguments.data
    python = str(arguments.python or install_package(data / "venv"))
    pictures = arguments.pictures or install_pictures(data / "pictures", python)
    installed = time.monotonic()

    (data / "broker").mkdir(exist_ok=True)
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "example.settings",
        "EXAMPLE_DATA": str(data),
        "PYTHONUNBUFFERED": "1",
    }
    worker_log, server_log = data / "worker.log", data / "server.log"

    run(python, "manage.py", "migrate", "--verbosity=0", env=env)
    worker_command = "-m celery -A example worker --beat --concurrency=2 --loglevel=INFO"
    with running(python, *worker_command.split(), env=env, log=worker_log) as worker:
        run(python, "manage.py", "demo_fill", str(pictures), env=env)
        try:
            run(python, "manage.py", "demo_report", env=env)
        except subprocess.CalledProcessError as error:
            raise DemoError(f"Not as it should be. The worker's log: {worker_log}") from error
        _say(
            f"\nThat took {time.monotonic() - started:.1f} s, "
            f"{installed - started:.1f} s of it for installing."
        )
        if arguments.no_serve:
            return 0
        address = f"{HOST}:{_free_port()}"
        serve = (python, "manage.py", "runserver", "--noreload", address)
        with running(*serve, env=env, log=server_log) as server:
            url = f"http://{address}/"
            _wait_for(url, server, server_log)
            _say(
                f"\n  Shop and archive  {url}"
                f"\n  Admin             {url}admin/   user demo, password demo"
                f"\n  Logs              {worker_log}\n                    {server_log}"
                "\n\nCtrl-C stops the server and the worker."
            )
            try:
                _watch({"worker": (worker, worker_log), "server": (server, server_log)})
            except KeyboardInterrupt:
                _say("\nStopping …")
    _say("Stopped. Type `make demo` to go on, `make clean` to remove it all.")
    return 0


def _watch(children: dict[str, tuple[subprocess.Popen[bytes], Path]]) -> NoReturn:
    while True:
        for name, (process, log) in children.items():
            if process.poll() is not None:
                raise DemoError(f"The {name} has ended by itself. See {log}.")
        time.sleep(0.2)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SERVER_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=SERVER_START).close()
        except urllib.error.HTTPError as error:
            error.close()
            break
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise DemoError(f"The server does not answer at {url}. See {log}.")


def _free_port() -> int:
    for port in (FIRST_PORT, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, port))
            except OSError:
                continue
            chosen: int = trial.getsockname()[1]
            return chosen
    raise DemoError(f"No port is free at {HOST}.")


@contextmanager
def _alone_in(data: Path) -> Iterator[None]:
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"Another demo is running in {data}. Stop it first.") from None
        yield


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
