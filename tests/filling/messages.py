"""Count the messages that pass through a queue of Redis, whichever process sends them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from collections.abc import Iterator


class Messages:
    """How many messages were ever sent to a queue, and how many waited there at most."""

    def __init__(self) -> None:
        self.sent = 0
        self.most = 0

    def __repr__(self) -> str:
        return f"{self.sent} sent, {self.most} waiting at most"


@contextmanager
def counted(url: str, queue: str) -> Iterator[Messages]:
    """Count in this block.

    Args:
        url: the address of the broker.
        queue: the name of the queue.
    """
    found, client, ended = Messages(), redis.Redis.from_url(url), threading.Event()
    listening = threading.Event()

    def listen() -> None:
        with client.monitor() as monitor:  # type: ignore[no-untyped-call]
            listening.set()
            for command in monitor.listen():
                words = command["command"].split(" ")
                if words[0].upper() in ("LPUSH", "RPUSH") and words[1] == queue:
                    found.sent += 1
                elif words[0].upper() == "GET" and words[1] == f"{queue}-end":
                    return

    def look() -> None:
        while not ended.wait(0.02):
            found.most = max(found.most, int(client.llen(queue)))

    threads = [threading.Thread(target=one, daemon=True) for one in (listen, look)]
    for thread in threads:
        thread.start()
    listening.wait(60)
    try:
        yield found
    finally:
        ended.set()
        client.get(f"{queue}-end")
        for thread in threads:
            thread.join(60)
        client.close()
