"""How long commits take while the broker is out of order, each kind in a process of its own.

    python -m benchmarks.broker_outages [--broker redis|rabbitmq] [--commits 30] [--interval 0.5]

Each commit is that of a transaction that saves a row with a new picture, in SQLite; its time
is from the end of the block to the return of the last ``on_commit`` callback. A message is *taken*
when Celery's call has returned; RabbitMQ confirms messages only if it is configured to.

It needs the program ``redis-server`` for Redis, and for RabbitMQ a broker at TEST_RABBITMQ_URL.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from celery import Celery

RABBITMQ = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
#: Commits before a broker that works at first is stopped.
BEFORE = 10


class Broker(NamedTuple):
    url: str
    #: What happens to it in the midst.
    stop: Callable[[], None] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--broker", choices=KINDS, action="append")
    parser.add_argument("--commits", type=int, default=30)
    parser.add_argument("--interval", type=float, default=0.5)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        kind = KINDS[options.broker[0]][options.only]
        print(json.dumps(measure(kind, options.commits, options.interval)))
        return
    print(f"{options.commits} commits of each, one every {options.interval:g} s; {_versions()}\n")
    print(f"{'':<32} longest   median   tries     taken requests   callbacks")
    for broker in options.broker or KINDS:
        for name in KINDS[broker]:
            command = [
                *(sys.executable, "-m", "benchmarks.broker_outages"),
                *("--broker", broker, "--only", name),
                *("--commits", str(options.commits), "--interval", str(options.interval)),
            ]
            found = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            row = json.loads(found.stdout)
            print(
                f"{broker + ', ' + name:<32}{row['longest']:6.3f} s {row['median'] * 1000:5.1f} ms"
                f"{row['tries']:8}{row['taken']:10}{row['requests']:9}{row['callbacks']:12}",
                flush=True,
            )


def measure(kind: Callable[[], Any], commits: int, interval: float) -> dict[str, float]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        broker = stack.enter_context(kind())
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE="sqlite",
            TEST_SQLITE_FOLDER=folder,
            TEST_MEDIA_ROOT=f"{folder}/media",
        )
        import django

        django.setup()
        from django.test.utils import setup_databases, teardown_databases

        from tests.workers import celery_app

        made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
        stack.callback(teardown_databases, made, verbosity=0)
        app = stack.enter_context(celery_app(broker.url))
        if broker.url.startswith("amqp"):
            stack.callback(_delete_queue, app)
        return _commit(broker, commits, interval)


def _commit(broker: Broker, commits: int, interval: float) -> dict[str, float]:
    from django.core.files.base import ContentFile
    from django.db import transaction

    from django_visualsnoop.models import SyncRecord
    from django_visualsnoop.outbox import dispatch
    from tests.testapp.models import Product

    tries: list[None] = []
    taken: list[None] = []
    send = dispatch._send

    def counted(*arguments: Any) -> None:
        tries.append(None)
        send(*arguments)
        taken.append(None)

    dispatch._send = counted
    times = []
    callbacks: list[None] = []
    for number in range(commits):
        if broker.stop is not None and number == BEFORE:
            broker.stop()
        with transaction.atomic():
            Product.objects.create(photo=ContentFile(b"any", f"{number}.png"))
            transaction.on_commit(lambda: callbacks.append(None))
            started = time.perf_counter()
        times.append(time.perf_counter() - started)
        time.sleep(interval)
    return {
        "longest": max(times),
        "median": statistics.median(times),
        "tries": len(tries),
        "taken": len(taken),
        "requests": SyncRecord.objects.count(),
        "callbacks": len(callbacks),
    }


def _delete_queue(app: Celery) -> None:
    from kombu import Connection

    with Connection(RABBITMQ) as connection:
        app.amqp.queues[app.conf.task_default_queue](connection).delete()


@contextmanager
def _silent(scheme: str) -> Iterator[Broker]:
    from tests.brokers import silent

    with silent(scheme) as url:
        yield Broker(url)


@contextmanager
def _resetting(scheme: str) -> Iterator[Broker]:
    from tests.brokers import resetting

    with resetting(scheme) as url:
        yield Broker(url)


@contextmanager
def _refusing(scheme: str) -> Iterator[Broker]:
    from tests.brokers import refusing

    yield Broker(refusing(scheme))


@contextmanager
def _dropping(scheme: str) -> Iterator[Broker]:
    """A listener whose queue is full: Linux drops what else asks to be let in."""
    from tests.brokers import url

    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield Broker(url(scheme, server))


@contextmanager
def _redis(*arguments: str, stopped: bool = False) -> Iterator[Broker]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--save", "", "--dir", folder]
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            stop = (lambda: process.send_signal(signal.SIGSTOP)) if stopped else None
            yield Broker(f"redis://127.0.0.1:{port}/0", stop)
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


@contextmanager
def _stalling_rabbitmq() -> Iterator[Broker]:
    """A proxy before the broker that lets nothing through any more."""
    from tests.brokers import Proxy

    parts = urlsplit(RABBITMQ)
    assert parts.hostname is not None
    with closing(Proxy(parts.hostname, parts.port or 5672)) as proxy:
        address = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}")
        yield Broker(address.geturl(), proxy.fall_silent)


def _rabbitmq(url: str) -> nullcontext[Broker]:
    return nullcontext(Broker(url))


def _outages(scheme: str) -> dict[str, Callable[[], Any]]:
    return {
        "port refused": lambda: _refusing(scheme),
        "accepts, says nothing": lambda: _silent(scheme),
        "accepts, then resets": lambda: _resetting(scheme),
        "packets dropped": lambda: _dropping(scheme),
        "name does not resolve": lambda: nullcontext(Broker(f"{scheme}://broker.invalid//")),
    }


#: The broker → what it suffers from → a context in which it does.
KINDS: dict[str, dict[str, Callable[[], Any]]] = {
    "redis": {
        "none": _redis,
        **_outages("redis"),
        "stopped in the midst": lambda: _redis(stopped=True),
        "memory full": lambda: _redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction"),
        "read-only replica": lambda: _redis("--replicaof", "127.0.0.1", "1"),
    },
    "rabbitmq": {
        "none": lambda: _rabbitmq(RABBITMQ),
        **_outages("amqp"),
        "stalled in the midst": _stalling_rabbitmq,
        "wrong password": lambda: _rabbitmq(
            RABBITMQ.replace(f":{urlsplit(RABBITMQ).password}@", ":wrong@")
        ),
    },
}


def _versions() -> str:
    import amqp
    import celery
    import kombu
    import redis

    return (
        f"Python {platform.python_version()}, Celery {celery.__version__}, "
        f"kombu {kombu.__version__}, redis-py {redis.__version__}, py-amqp {amqp.__version__}, "
        f"{os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
