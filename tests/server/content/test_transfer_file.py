"""Which lines a file has, and which are refused."""

from __future__ import annotations

import pytest

from django_visualsnoop.engine.models import IndexedImage
from tests.server.content.transfers import change, exported, filled, sent
from tests.server.hosting import tenant
from tests.server.v2 import ask

pytestmark = pytest.mark.django_db


def test_a_file_that_is_not_right_changes_nothing() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    lines = exported(ann)
    end = lines[-1]
    for wrong, words in (
        ([], "Line 1: the end is missing"),
        (lines[:-1], "the end is missing"),
        (lines[1:], "Line 1: the format is None"),
        (change(lines, 0, version=2), "its version is 2"),
        (change(lines, 0, descriptor_version=1), "descriptors are of version 1"),
        ([*lines[:-1], {**end, "images": 5}], "it says 5 images, and there are 4"),
        ([*lines, end], "something comes after the end"),
        ([lines[0], lines[1], *lines[1:]], "Line 3: the id 'a' is there a second time"),
        (change(lines, 1, id=".."), "Line 2: The image id '..'"),
        (change(lines, 1, id=5), "id is 5; it must be a text"),
        (change(lines, 1, time="yesterday"), "Invalid isoformat"),
        (change(lines, 1, time="2030-01-01T00:00:00"), "it must have a zone"),
        (change(lines, 1, time="9000-01-01T00:00:00+00:00"), "be past"),
        (change(lines, 1, time="0001-01-01T00:00:00+23:00"), "be past"),
        (change(lines, 1, width=0), "no 0 by"),
        (change(lines, 1, height=2**31), "by 2147483648 pixels"),
        (change(lines, 1, width=True), "width is True"),
        (change(lines, 1, sha256="x"), "64 hexadecimal digits"),
        (change(lines, 1, descriptor="AAAA"), "broken or of another version"),
        (change(lines, 1, descriptor="?"), "no base64"),
        (change(lines, 1, metadata={"a": []}), "'a' is []"),
        (change(lines, 1, more=1), "an image has"),
        (change(lines, len(lines) - 2, not_duplicates=["a"]), "two image ids"),
        (change(lines, len(lines) - 2, not_duplicates=["a", "z"]), "the file has no image 'z'"),
        (change(lines, len(lines) - 2, not_duplicates=["a", "a"]), "its own duplicate"),
        ([lines[0], [1]], "no JSON object"),
        ([lines[0], {"id": "x" * 200_000}], "longer than"),
    ):
        reply = sent(bob, wrong)
        assert reply.status == 400, words
        assert words in reply.detail
        assert reply.detail.endswith("Nothing was imported.")
    assert ask(bob, "POST", "/import", b"\xff\n").status == 400
    assert ask(bob, "GET", "/count").body == {"count": 0}
    assert ask(bob, "GET", "/not-duplicates").body == {"pairs": []}


def test_what_an_older_version_described_is_named() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    IndexedImage.objects.filter(image_id="c").update(version=1, vector=b"old")
    lines = exported(ann)
    assert {"left_out": "c"} in lines
    assert sent(bob, lines).body == {"added": 3, "replaced": 0, "unchanged": 0}
