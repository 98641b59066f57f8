"""Call a Milvus server: one client per process, bounded time, and errors that say what to do."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from django_visualsnoop.engine.exceptions import IndexUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value = TypeVar("Value")

#: Codes of Milvus: there is no such collection; it has not been loaded into memory.
NOT_FOUND, NOT_LOADED = 100, 101
_NOT_CONNECTED = 2
_DEFAULT_PORTS = {"http": 19530, "tcp": 19530, "https": 443}
#: What a server says of a token that it does not accept, beside the status of gRPC.
_REFUSALS = ("auth check failure", "unauthenticated", "permission deny", "permission denied")
_LONGEST_REASON = 300
#: While a server is down, gRPC waits longer and longer before it tries to connect, up to two
#: minutes, and each new connection with the same server waits along.
_GRPC_OPTIONS = {"grpc.use_local_subchannel_pool": 1, "grpc.max_reconnect_backoff_ms": 1000}


class CollectionMissing(IndexUnavailable):
    """The server has no such collection."""


class Connection:
    """The connection of each process with a server. Safe to use from several threads.

    Args:
        uri: address of the server; see ``MilvusIndex``.
        token: see there.
        timeout: see there.

    Raises:
        ValueError: the address cannot be one.
    """

    def __init__(self, uri: str, token: str | None, timeout: float) -> None:
        self.timeout = timeout
        self._uri, self._token = uri, token or ""
        self.address, self._secrets = _parse(uri, self._token)
        self._client: Any = None
        self._inherited: list[Any] = []
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._failure: tuple[float, IndexUnavailable] | None = None

    def __repr__(self) -> str:
        return f"<Connection: {self.address}>"

    def call(self, method: str, collection: str, **arguments: Any) -> Any:
        """Call a method of ``MilvusClient`` for a collection; see ``run``."""
        return self.run(
            lambda client: getattr(client, method)(collection, timeout=self.timeout, **arguments),
            collection,
        )

    def run(self, work: Callable[[Any], Value], collection: str = "") -> Value:
        """Return what a function returns for the client of this process.

        A server that was started again may have the collection on disk only; then this loads it and
        calls the function once more.

        Args:
            work: takes a ``MilvusClient``. It may be called twice.
            collection: name of the collection that it uses.

        Raises:
            CollectionMissing: there is no such collection.
            IndexUnavailable: the server cannot be reached, or refuses.
        """
        client = self._get_client()
        try:
            return self._attempt(work, client, collection)
        except _NotLoadedError:
            self._attempt(lambda client: self._load(client, collection), client, collection)
            return self._attempt(work, client, collection)

    def _load(self, client: Any, collection: str) -> None:
        client.load_collection(collection, timeout=self.timeout)

    def _attempt(self, work: Callable[[Any], Value], client: Any, collection: str) -> Value:
        from grpc import RpcError
        from pymilvus.exceptions import MilvusException

        try:
            with _no_logging():
                return work(client)
        except (MilvusException, RpcError) as error:
            # Neither the cause nor its frames: they hold the token.
            failure = self._explain(error, collection)
        raise failure

    def _get_client(self) -> Any:
        if os.getpid() != self._pid:
            self._begin_anew()
        begun = time.monotonic()
        with self._lock:
            if self._client is None:
                # Threads that have waited for an attempt share its failure. Otherwise, each would
                # wait for all attempts before its own.
                if self._failure is not None and self._failure[0] >= begun:
                    raise IndexUnavailable(*self._failure[1].args)
                try:
                    self._client = self._connect()
                except IndexUnavailable as error:
                    self._failure = time.monotonic(), error
                    raise
            return self._client

    def _begin_anew(self) -> None:
        """Leave the parent's connection alone: a forked child cannot use it, nor close it."""
        self._inherited.append(self._client)
        self._client, self._lock, self._pid = None, threading.Lock(), os.getpid()

    def _connect(self) -> Any:
        from pymilvus import MilvusClient

        _add_filters()
        return self._attempt(
            lambda _: MilvusClient(
                self._uri,
                token=self._token,
                timeout=self.timeout,
                dedicated=True,
                grpc_options=_GRPC_OPTIONS,
            ),
            None,
            "",
        )

    def _explain(self, error: Exception, collection: str) -> IndexUnavailable:
        from grpc import StatusCode

        code = getattr(error, "code", None)
        code = code() if callable(code) else code
        reason = self._describe(error)
        where = f"Milvus at {self.address}"
        if code == NOT_LOADED:
            return _NotLoadedError(f"{where} has not loaded {collection} into memory. ({reason})")
        if code == NOT_FOUND:
            return CollectionMissing(
                f"{where} has no collection {collection}. To write it from the rows, type: "
                f"python manage.py visualsnoop_move_index ALIAS --to milvus ({reason})"
            )
        if code in (StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED) or any(
            one in reason.lower() for one in _REFUSALS
        ):
            return IndexUnavailable(f"{where} refuses the token. Correct the token. ({reason})")
        if code == StatusCode.DEADLINE_EXCEEDED or "timeout" in reason.lower():
            return IndexUnavailable(
                f"{where} did not answer within {self.timeout:g} seconds. Check the load of the "
                f"server, or set a longer timeout. ({reason})"
            )
        if code in (_NOT_CONNECTED, StatusCode.UNAVAILABLE):
            return IndexUnavailable(
                f"{where} cannot be reached. Start it, or correct its address. ({reason})"
            )
        return IndexUnavailable(f"{where} could not do this: {reason}. See the server's log.")

    def _describe(self, error: Exception) -> str:
        """Return what the server or the client says, without secrets."""
        details = getattr(error, "details", None)
        said = details() if callable(details) else getattr(error, "message", None)
        text = " ".join(str(said or error).split())
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text[:_LONGEST_REASON] or type(error).__name__


class _NotLoadedError(IndexUnavailable):
    """The collection has not been loaded into the server's memory."""


def _parse(uri: str, token: str) -> tuple[str, list[str]]:
    """Return host and port of an address, and the secrets not to show."""
    expected = 'uri must be the address of a server, such as "http://127.0.0.1:19530"'
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise ValueError(f"{expected}.") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        # Only the start: what follows may be a password.
        raise ValueError(f"{expected}; it starts with {parts.scheme or uri[:4]!r}.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    secrets = [token, *token.split(":")[1:], parts.password]
    return f"{host}:{port or _DEFAULT_PORTS[parts.scheme]}", [one for one in secrets if one]


# pymilvus logs each error with its traceback, those that end in a second attempt as well. Our
# errors say the same without the traceback, which may show a token to whoever reads the log.
_calling = threading.local()


def _is_wanted(_: logging.LogRecord) -> bool:
    return not getattr(_calling, "now", False)


@contextmanager
def _no_logging() -> Iterator[None]:
    """Silence pymilvus for this thread; others may use it for purposes of their own."""
    _calling.now = True
    try:
        yield
    finally:
        _calling.now = False


def _add_filters() -> None:
    """Let ``_no_logging`` decide what pymilvus logs."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "pymilvus":
            logging.getLogger(name).addFilter(_is_wanted)
