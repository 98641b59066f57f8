"""What is answered to errors that every API knows."""

from __future__ import annotations

import pytest

from django_visualsnoop.engine.exceptions import (
    DecodeError,
    EmptyImage,
    ImageTooLarge,
    UndecodableImage,
    UnsupportedImage,
)
from django_visualsnoop.server.http.errors import refuse_busy, refuse_picture


@pytest.mark.parametrize(
    ("kind", "status"),
    [(EmptyImage, 400), (UndecodableImage, 400), (ImageTooLarge, 413), (UnsupportedImage, 415)],
)
def test_why_bytes_are_no_picture_decides_the_status(kind: type[DecodeError], status: int) -> None:
    refused = refuse_picture(kind("It is none."))
    assert refused.body == {"status": status, "message": "It is none."}


def test_who_waited_in_vain_is_told_when_to_come_back() -> None:
    refused = refuse_busy()
    assert refused.status == 503
    assert f"Try again in {refused.headers['Retry-After']} s" in refused.message
