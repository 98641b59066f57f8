"""A server that is killed, silent, empty or gone; and what an error may say."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import threading
import traceback
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from django.views.debug import ExceptionReporter

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.index.milvus import MilvusIndex
from django_visualsnoop.exceptions import MissingExtra
from tests.engine.index.milvus.fixtures import drop_collections
from tests.engine.index.milvus.server import TOKEN, LiteServer
from tests.engine.index.outside_contract import (
    MODEL,
    build_entry,
    build_query,
    describe_pictures,
    draw_embeddings,
    get_ids,
    run_at_once,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.service("milvus")

SECRET, OTHER_SECRET = "s3cr3t-of-milvus", "s3cr3t-of-the-address"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiteServer]:
    """A server of this test's own, which it may kill."""
    pytest.importorskip("milvus_lite")  # TEST_MILVUS_URI may be all there is
    server = LiteServer(tmp_path)
    server.start()
    yield server
    server.kill()


def test_what_was_written_is_there_after_the_server_was_killed(server: LiteServer) -> None:
    index = MilvusIndex(server.uri, timeout=5)
    index.prepare()
    (descriptor,) = describe_pictures(1)
    (embedding,) = draw_embeddings(1)
    written: list[int] = []
    enough = threading.Event()

    def write(row_id: int = 1) -> None:
        while True:
            index.upsert("c", [build_entry(row_id, descriptor, embedding)])
            written.append(row_id)
            row_id += 1
            if row_id == 20:
                enough.set()

    def kill() -> None:
        assert enough.wait(60)
        server.kill()

    with pytest.raises(IndexUnavailable):
        run_at_once([write, kill])
    with pytest.raises(IndexUnavailable):
        index.count("c")

    server.start()
    # Collections are on disk only now. Whichever method comes first loads them.
    (portion, *_) = index.iter_closest("c", MODEL, embedding, allowed={"image 1"})
    assert get_ids(portion) == ["image 1"]
    listed = {one.row_id for one in index.list_entries("c", 0, 100_000)}
    # The one whose writing failed may be there as well.
    assert listed - set(written) <= {written[-1] + 1}
    assert not set(written) - listed
    index.upsert("c", [build_entry(written[-1] + 1, descriptor, embedding)])
    assert index.count("c") == len(written) + 1


@pytest.mark.parametrize(
    "use",
    [
        lambda index: index.find_candidates("c", build_query(describe_pictures(1)[0])),
        lambda index: index.get_vector("c", MODEL, "image 1"),
        lambda index: index.count("c"),
        lambda index: index.list_entries("c", 0, 10),
        lambda index: index.upsert("c", [build_entry(2)]),
        lambda index: index.delete("c", [1]),
        lambda index: index.drop("c"),
        lambda index: index.prepare(),
    ],
)
def test_released_collections_are_loaded_again(
    milvus_index: MilvusIndex, use: Callable[[MilvusIndex], object]
) -> None:
    """As a server does that was started again."""
    milvus_index.upsert("c", [build_entry(1, None, draw_embeddings(1)[0])])
    for name in (milvus_index._names.images, milvus_index._names.get_embeddings(MODEL)):
        milvus_index._connection.call("release_collection", name)
    use(milvus_index)
    milvus_index.drop("c")
    assert milvus_index.count("c") == 0


def test_a_server_that_returns_is_used_at_once(server: LiteServer) -> None:
    index = MilvusIndex(server.uri, timeout=5)
    index.prepare()
    server.kill()
    for _ in range(20):  # after each failure, gRPC would wait longer
        with pytest.raises(IndexUnavailable, match=r"cannot be reached\. Start it"):
            index.count("c")
    server.start()
    assert index.count("c") == 0


def count_attempts(server: socket.socket) -> int:
    """Return how many connections wait to be accepted."""
    server.setblocking(False)
    number = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            number += 1
    return number


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = MilvusIndex(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=2)

        def use() -> None:
            with pytest.raises(IndexUnavailable, match=r"127\.0\.0\.1"):
                index.count("c")

        # They share one attempt to connect: one after the other would wait for all before it.
        run_at_once([use] * 8)
        assert count_attempts(silent) < 4


def test_a_server_that_stops_in_the_middle_is_given_up(server: LiteServer) -> None:
    index = MilvusIndex(server.uri, timeout=1)
    index.prepare()
    server.send_signal(signal.SIGSTOP)
    with pytest.raises(IndexUnavailable, match="did not answer within 1 seconds"):
        index.count("c")
    server.send_signal(signal.SIGCONT)
    assert index.count("c") == 0


def test_a_server_without_the_collections_is_no_empty_index(
    milvus_index: MilvusIndex, milvus_uri: str
) -> None:
    index = MilvusIndex(milvus_uri, token=TOKEN, prefix="test_never_prepared")
    for use in (
        lambda: index.find_candidates("c", build_query(describe_pictures(1)[0])),
        lambda: index.get_vector("c", MODEL, "image 1"),
        lambda: list(index.iter_closest("c", MODEL, draw_embeddings(1)[0])),
        lambda: index.count("c"),
        lambda: index.list_entries("c", 0, 10),
        lambda: index.upsert("c", [build_entry(1)]),
    ):
        with pytest.raises(IndexUnavailable, match=r"visualsnoop_move_index ALIAS --to milvus"):
            use()
    index.delete("c", [1])
    index.drop("c")


def test_lost_embeddings_are_no_empty_index(milvus_uri: str) -> None:
    index = MilvusIndex(milvus_uri, token=TOKEN, prefix="test_lost")
    index.prepare()
    index.upsert("c", [build_entry(1, None, draw_embeddings(1)[0])])
    drop_collections(index, index._names.get_embeddings(MODEL))
    with pytest.raises(IndexUnavailable, match=r"--drop milvus, and then: .* --to milvus"):
        index.get_vector("c", MODEL, "image 1")
    with pytest.raises(IndexUnavailable, match=r"--drop milvus, and then: .* --to milvus"):
        list(index.iter_closest("c", MODEL, draw_embeddings(1)[0]))
    drop_collections(index, "test_lost")


def test_a_forked_child_has_a_connection_of_its_own(milvus_index: MilvusIndex) -> None:
    assert milvus_index.count("none") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # gRPC has threads
        pid = os.fork()
    if pid == 0:
        try:
            os._exit(milvus_index.count("none"))
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert milvus_index.count("none") == 0


def test_secrets_reach_no_error_and_no_log(
    server: LiteServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    uri = server.uri.replace("//", f"//user:{OTHER_SECRET}@")
    index = MilvusIndex(uri, token=f"root:{SECRET}", timeout=5)
    told = [repr(index), repr(index._connection)]

    def use() -> None:
        with pytest.raises(IndexUnavailable) as caught:
            index.count("c")
        error = caught.value
        told.extend([str(error), *traceback.format_exception(error)])
        assert error.__traceback__ is not None
        reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
        told.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    use()  # it lacks the collection
    server.kill()
    use()
    index = MilvusIndex(uri, token=f"root:{SECRET}", timeout=5)
    use()
    out, err = capfd.readouterr()
    told += [out, err, caplog.text]
    for secret in (SECRET, OTHER_SECRET):
        assert not any(secret in one for one in told)
    assert "pymilvus" not in err  # nor the tracebacks that it logs
    assert "pymilvus" not in caplog.text


def test_others_keep_what_pymilvus_logs(
    milvus_index: MilvusIndex, milvus_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    from pymilvus import MilvusClient, MilvusException

    milvus_index.count("c")
    client = MilvusClient(milvus_uri, token=TOKEN or "")
    with pytest.raises(MilvusException):
        client.query("test_unknown", filter="a == 1")
    client.close()
    assert "test_unknown" in caplog.text


def test_without_pymilvus_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install \"django-visualsnoop\[milvus\]\""):
        MilvusIndex("http://127.0.0.1:1")
