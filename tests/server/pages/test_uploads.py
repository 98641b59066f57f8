"""Pictures that forms send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from django_visualsnoop.engine.exceptions import ImageTooLarge
from django_visualsnoop.server.pages.uploads import read_upload

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def test_a_file_as_long_as_is_allowed_is_read(settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 1000}
    assert read_upload(SimpleUploadedFile("a.png", b"x" * 1000)) == b"x" * 1000


def test_a_longer_one_is_refused_before_it_is_read(settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 1000}
    upload = SimpleUploadedFile("a.png", b"x" * 1001)
    with pytest.raises(ImageTooLarge, match="1,001 bytes; at most 1,000"):
        read_upload(upload)
    assert upload.tell() == 0
