"""Image files within JSON."""

from __future__ import annotations

from base64 import b64encode

import pytest

from django_visualsnoop.server.api_v2.base64_content import decode_content
from django_visualsnoop.server.exceptions import Refused


@pytest.mark.parametrize("content", [b"", b"\0", bytes(range(256))])
def test_bytes_come_back(content: bytes) -> None:
    assert decode_content(b64encode(content).decode()) == content


@pytest.mark.parametrize("text", ["?", "AAA", "AA==AA", " AAAA", "AA-_", "é", "A" * 5])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="content must be") as caught:
        decode_content(text)
    assert caught.value.status == 400


def test_a_long_text_is_cut_in_the_message() -> None:
    with pytest.raises(Refused) as caught:
        decode_content("?" * 1_000_000)
    assert len(caught.value.message) < 100
