"""What goes wrong, what the user reads, and that the save succeeded all the same."""

from __future__ import annotations

import logging
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile

from django_visualsnoop.exceptions import CollectionDoesNotExist
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import grow_old, lose, product, record_of
from tests.testapp.models import Document, Product
from tests.v1server import PUBLIC_KEY, SECRET_KEY, V1Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import Settings

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

State = SyncRecord.State


def hosted(settings: Settings, endpoint: str, **changes: Any) -> None:
    settings.VISUALSNOOP = {
        "default": {
            "BACKEND": "django_visualsnoop.collections.http.HTTPCollection",
            "ENDPOINT": endpoint,
            "PUBLIC_KEY": PUBLIC_KEY,
            "SECRET_KEY": SECRET_KEY,
            "OPTIONS": {"max_retries": 0},
            **changes,
        }
    }


@pytest.fixture
def server() -> Iterator[V1Server]:
    with V1Server() as server:
        yield server


def saved(content: bytes, name: str) -> SyncRecord:
    row = Product.objects.create(photo=ContentFile(content, name))
    grow_old()
    sweep(using="default")
    assert Product.objects.filter(pk=row.pk).exists()
    return record_of(row)


def bomb() -> bytes:
    """Return a valid PNG of 20,000 by 20,000 black pixels, one bit each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(20_000 * (1 + 20_000 // 8)), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_a_text_file() -> None:
    record = saved(b"This is a text.", "text.jpg")
    assert (record.state, record.reason_code) == (State.FAILED, "unsupported")
    assert "JPEG, PNG, GIF" in record.reason


def test_an_empty_file() -> None:
    record = saved(b"", "empty.jpg")
    assert (record.state, record.reason_code) == (State.FAILED, "empty")
    assert "empty" in record.reason


def test_a_missing_file() -> None:
    row = product()
    lose(row.photo)
    grow_old()
    sweep(using="default")
    record = record_of(row)
    assert (record.state, record.reason_code) == (State.FAILED, "file_missing")
    assert record.reason.startswith("The file is not in the storage: ")


def test_a_bomb() -> None:
    record = saved(bomb(), "bomb.png")
    assert (record.state, record.reason_code) == (State.FAILED, "too_large")
    assert "20000 x 20000" in record.reason


def test_an_id_of_101_characters() -> None:
    row = Document.objects.create(code="k" * 96, scan=ContentFile(image(1), "scan.png"))
    sweep(using="default")
    record = record_of(row, "scan")
    assert len(record.image_id) == 101
    assert (record.state, record.reason_code) == (State.FAILED, "invalid_image_id")
    assert "101" in record.reason
    assert "100" in record.reason


def test_an_unknown_alias(settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {}}
    row = Document.objects.create(code="A-1", scan=ContentFile(image(1), "scan.png"))
    sweep(using="default")
    record = record_of(row, "scan")
    assert (record.state, record.reason_code) == (State.RETRYING, "misconfigured")
    assert "VISUALSNOOP['archive']" in record.reason
    with pytest.raises(CollectionDoesNotExist, match="no collection 'archive'"):
        Document.objects.copies_of(image(1))


def test_wrong_keys_and_the_secret_stays_secret(
    settings: Settings, server: V1Server, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = "W" * 40
    hosted(settings, server.endpoint, SECRET_KEY=wrong)
    with caplog.at_level(logging.DEBUG):
        record = saved(image(1), "scene.png")
    assert (record.state, record.reason_code) == (State.RETRYING, "authentication")
    assert "Check PUBLIC_KEY and SECRET_KEY" in record.reason
    assert wrong not in record.reason + caplog.text
    hosted(settings, server.endpoint)  # mended, it heals without anyone asking
    SyncRecord.objects.update(due_at=record.requested_at)
    sweep(using="default")
    assert SyncRecord.objects.get().state == State.IN_SYNC


def test_a_collection_that_is_down(settings: Settings, server: V1Server) -> None:
    endpoint = server.endpoint
    server.__exit__(None, None, None)
    hosted(settings, endpoint)
    record = saved(image(1), "scene.png")
    assert (record.state, record.reason_code) == (State.RETRYING, "unreachable")
    assert endpoint.split("/")[2].split(":")[0] in record.reason
