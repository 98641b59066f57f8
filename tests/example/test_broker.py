from __future__ import annotations

import threading
from queue import Empty
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection

from tests.example.conftest import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.example


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def transport() -> Any:
    return load("example/broker.py").Transport


def connect(transport: Any, folder: Path) -> Connection:
    options = {"folder": folder, "polling_interval": 0.01}
    return Connection(transport=transport, transport_options=options)


def test_messages_come_out_in_order_and_once(transport: Any, folder: Path) -> None:
    with connect(transport, folder) as there, there.SimpleQueue("work") as queue:
        for number in range(3):
            queue.put({"number": number})
    with connect(transport, folder) as here, here.SimpleQueue("work") as queue:
        received = [queue.get(timeout=5) for _ in range(3)]
        assert [message.payload["number"] for message in received] == [0, 1, 2]
        for message in received:
            message.ack()
        with pytest.raises(Empty):
            queue.get(block=False)
    assert list(folder.iterdir()) == []


def test_a_message_that_was_not_acknowledged_is_put_back_on_closing(
    transport: Any, folder: Path
) -> None:
    with connect(transport, folder) as there, there.SimpleQueue("work") as queue:
        queue.put("precious")
    with connect(transport, folder) as here, here.SimpleQueue("work") as queue:
        assert queue.get(timeout=5).payload == "precious"
    assert len(list(folder.glob("*.work.json"))) == 1


def test_an_unfinished_message_and_one_of_another_queue_are_not_read(
    transport: Any, folder: Path
) -> None:
    (folder / "1-a.work.unfinished").write_text("")
    with connect(transport, folder) as here, here.SimpleQueue("homework") as other:
        other.put("for others")
        with here.SimpleQueue("work") as queue:
            assert queue.qsize() == 0
            with pytest.raises(Empty):
                queue.get(block=False)


def test_two_readers_and_two_writers_lose_nothing_and_double_nothing(
    transport: Any, folder: Path
) -> None:
    each = 150
    received: list[str] = []
    failures: list[BaseException] = []

    def write(name: str) -> None:
        with connect(transport, folder) as there, there.SimpleQueue("work") as queue:
            for number in range(each):
                queue.put(f"{name}{number}")

    def read() -> None:
        try:
            with connect(transport, folder) as here, here.SimpleQueue("work") as queue:
                while len(received) < 2 * each:
                    try:
                        message = queue.get(timeout=0.2)
                    except Empty:
                        continue
                    received.append(message.payload)
                    message.ack()
        except BaseException as error:  # noqa: BLE001 -- shown by the test
            failures.append(error)

    threads = [
        *(threading.Thread(target=write, args=(name,)) for name in "ab"),
        *(threading.Thread(target=read) for _ in range(2)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sorted(received) == sorted(f"{name}{number}" for name in "ab" for number in range(each))
