"""Files of slow storages are read ahead, and those of others are not."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage

from django_visualsnoop.sync import reading
from django_visualsnoop.sync.reading import ReadAhead, is_slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import Settings


class RemoteStorage(InMemoryStorage):
    """Notes which threads open files, and how many are open at once."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[tuple[str, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.failing: set[str] = set()

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.opened.append((name, threading.current_thread().name))
        if threading.current_thread() is not threading.main_thread():
            self.gate.wait(60)
        if name in self.failing:
            raise PermissionError(name)
        return super()._open(name, mode)  # type: ignore[misc]  # not in the stubs


class StoredFile:
    """The part of a ``FieldFile`` that is read."""

    def __init__(self, storage: RemoteStorage, name: str, content: bytes) -> None:
        self.storage = storage
        self.name = storage.save(name, ContentFile(content))

    def open(self, mode: str) -> Any:
        return self.storage.open(self.name, mode)


@pytest.fixture
def storage() -> Iterator[RemoteStorage]:
    yield RemoteStorage()
    reading._seconds.pop(RemoteStorage, None)


def files(storage: RemoteStorage, count: int, size: int = 10) -> list[Any]:
    storage.opened.clear()
    return [StoredFile(storage, f"{n}.png", bytes([n]) * size) for n in range(count)]


def slow_down(storage: RemoteStorage, seconds: float) -> None:
    reading._seconds[type(storage)] = deque([seconds] * 3, maxlen=3)


def test_a_storage_is_slow_if_none_of_its_last_files_was_fast(storage: RemoteStorage) -> None:
    (file,) = files(storage, 1)
    assert not is_slow(file)
    slow_down(storage, 0.05)
    assert is_slow(file)
    reading._seconds[type(storage)].append(0.0)
    assert not is_slow(file)


def test_files_of_a_fast_storage_are_read_by_the_callers_thread(storage: RemoteStorage) -> None:
    slow_down(storage, 0.0)
    some = files(storage, 3)
    reader = ReadAhead(some, 100)
    assert [reader.read(n) for n in range(3)] == [bytes([n]) * 10 for n in range(3)]
    main = threading.main_thread().name
    assert storage.opened == [(f"{n}.png", main) for n in range(3)]


def test_files_of_a_slow_storage_are_read_ahead_in_their_order(
    storage: RemoteStorage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLOW", 0.0)
    settings.VISUALSNOOP_READ_THREADS = 2
    slow_down(storage, 0.05)
    some = files(storage, 5)
    reader = ReadAhead(some, 4)
    assert reader.read(0) == bytes(4)  # no more than asked for
    assert {name for name, _ in storage.opened} <= {"0.png", "1.png"}
    assert [reader.read(n) for n in range(1, 5)] == [bytes([n]) * 4 for n in range(1, 5)]
    assert sorted(name for name, _ in storage.opened) == [f"{n}.png" for n in range(5)]
    assert all(thread.startswith("visualsnoop-read") for _, thread in storage.opened)
    reader.close()


def test_memory_bounds_what_is_read_ahead(
    storage: RemoteStorage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLOW", 0.0)
    monkeypatch.setattr(reading, "MAX_BYTES", 3000)
    settings.VISUALSNOOP_READ_THREADS = 8
    slow_down(storage, 0.0)
    reader = ReadAhead(files(storage, 20, size=1000), 1000)
    reader._largest = 1000
    reader.read(0)
    assert len(reader._ahead) <= 2
    reader.close()


def test_an_error_is_raised_for_its_own_file(
    storage: RemoteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLOW", 0.0)
    slow_down(storage, 0.0)
    some = files(storage, 3)
    storage.failing = {"1.png"}
    reader = ReadAhead(some, 100)
    assert reader.read(0) == bytes(10)
    with pytest.raises(PermissionError):
        reader.read(1)
    assert reader.read(2) == bytes([2]) * 10
    reader.close()


def test_no_threads_if_the_setting_says_so(
    storage: RemoteStorage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLOW", 0.0)
    settings.VISUALSNOOP_READ_THREADS = 0
    slow_down(storage, 0.0)
    reader = ReadAhead(files(storage, 2), 100)
    reader.read(0)
    assert [thread for _, thread in storage.opened] == [threading.main_thread().name]


def test_closing_does_not_wait_for_a_storage_that_hangs(
    storage: RemoteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SLOW", 0.0)
    slow_down(storage, 0.0)
    some = files(storage, 3)
    reader = ReadAhead(some, 100)
    storage.gate.clear()
    reader._start(0)
    reader.close()  # returns although the threads wait
    storage.gate.set()
