"""Files that are kept between two submits: how many, how long, how large."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from django_visualsnoop.models import KeptUpload
from django_visualsnoop.tasks import sync_all
from django_visualsnoop.uploads import kept
from django_visualsnoop.uploads.kept import keep_upload, restore_upload

pytestmark = pytest.mark.django_db


def keep(content: bytes = b"bytes") -> str | None:
    return keep_upload(SimpleUploadedFile("é.png", content, "image/png"), using="default")


def restore(token: str) -> bytes | None:
    file = restore_upload(token, using="default")
    return None if file is None else file.read()


def test_as_it_was() -> None:
    token = keep()
    assert token is not None
    file = restore_upload(token, using="default")
    assert file is not None
    assert (file.name, file.content_type, file.read()) == ("é.png", "image/png", b"bytes")
    assert restore(token[:-1]) is None
    assert restore("1") is None


def test_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT", 2)
    first, second, third = keep(b"1"), keep(b"2"), keep(b"3")
    assert first is not None
    assert second is not None
    assert third is not None
    assert [restore(token) for token in (first, second, third)] == [None, b"2", b"3"]
    KeptUpload.objects.update(kept_at=timezone.now() - kept.MAX_AGE - timedelta(seconds=1))
    keep(b"4")
    assert bytes(KeptUpload.objects.get().content) == b"4"


def test_the_sweeper_deletes_what_is_too_old() -> None:
    keep()
    sync_all()
    assert KeptUpload.objects.exists()
    KeptUpload.objects.update(kept_at=timezone.now() - kept.MAX_AGE - timedelta(seconds=1))
    sync_all()
    assert not KeptUpload.objects.exists()


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_BYTES", 4)
    assert keep() is None


def test_as_large_as_allowed() -> None:
    token = keep(bytes(range(256)) * (kept.MAX_BYTES // 256))
    assert token is not None
    assert restore(token)


def test_without_the_table(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Django remembers the table of a column that a query first uses: for later tests.
    assert all(field.cached_col for field in KeptUpload._meta.fields)
    monkeypatch.setattr(KeptUpload._meta, "db_table", "no_such_table")
    assert keep() is None
    assert "Could not delete old uploads" not in caplog.text
    sync_all()
    assert "Could not delete old uploads" in caplog.text
