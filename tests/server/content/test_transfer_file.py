"""Which lines a file has, and which are refused."""

from __future__ import annotations

import pytest

from django_visualsnoop.engine.images.capture import Capture
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.content.images import HostedImages
from tests.server.content.transfers import change, exported, filled, sent
from tests.server.hosting import tenant
from tests.server.v2 import ask

pytestmark = pytest.mark.django_db


def test_a_file_that_is_not_right_changes_nothing() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    lines = exported(ann)
    end = lines[-1]
    for wrong, words in (
        ([], "Line 1: the last line is missing"),
        (lines[:-1], "the last line is missing"),
        (lines[1:], "Line 1: the format must be"),
        (change(lines, 0, version=2), "the version must be 1, not 2"),
        (change(lines, 0, descriptor_version=1), "descriptors have version 1"),
        ([*lines[:-1], {**end, "images": 5}], "it says 5 images, but the file has 4"),
        ([*lines, end], "it comes after the last line"),
        ([lines[0], lines[1], *lines[1:]], "Line 3: the id 'a' occurs twice"),
        (change(lines, 1, id=".."), "Line 2: The image id '..'"),
        (change(lines, 1, id=5), "id must be a string, not 5"),
        (change(lines, 1, time="yesterday"), "Invalid isoformat"),
        (change(lines, 1, time="2030-01-01T00:00:00"), "must have a time zone"),
        (change(lines, 1, time="9000-01-01T00:00:00+00:00"), "in the past"),
        (change(lines, 1, time="0001-01-01T00:00:00+23:00"), "in the past"),
        (change(lines, 1, width=0), "cannot have 0 x"),
        (change(lines, 1, height=2**31), "x 2147483648 pixels"),
        (change(lines, 1, width=True), "width must be an integer, not True"),
        (change(lines, 1, sha256="x"), "64 hexadecimal digits"),
        (change(lines, 1, descriptor="AAAA"), "broken or has another version"),
        (change(lines, 1, descriptor="?"), "not base64"),
        (change(lines, 1, thumbnail="?"), "thumbnail is not base64"),
        (change(lines, 1, thumbnail="AAAA"), "thumbnail is broken"),
        (change(lines, 1, thumbnail=None), "thumbnail must be a string, not None"),
        (change(lines, 1, capture="AAAA"), "not a packed capture"),
        (change(lines, 1, metadata={"a": []}), "false or null, not []. Nothing"),
        (change(lines, 1, more=1), "an image must have"),
        (change(lines, len(lines) - 2, not_duplicates=["a"]), "two image ids"),
        (change(lines, len(lines) - 2, not_duplicates=["a", "z"]), "the file has no image 'z'"),
        (change(lines, len(lines) - 2, not_duplicates=["a", "a"]), "ids must differ"),
        ([lines[0], [1]], "not a JSON object"),
        ([lines[0], {"id": "x" * 200_000}], "more than"),
    ):
        reply = sent(bob, wrong)
        assert reply.status == 400, words
        assert words in reply.detail
        assert reply.detail.endswith("Nothing was imported.")
    assert ask(bob, "POST", "/import", b"\xff\n").status == 400
    assert ask(bob, "GET", "/count").body == {"count": 0}
    assert ask(bob, "GET", "/not-duplicates").body == {"pairs": []}


def test_a_thumbnail_and_a_capture_time_arrive_and_may_be_missing() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    capture = Capture(1_700_000_000_000_000, 7, 3).pack()
    IndexedImage.objects.filter(image_id="a").update(capture=capture)
    lines = exported(ann)
    del next(line for line in lines if line.get("id") == "b")["thumbnail"]
    assert sent(bob, lines).status == 200
    mine, theirs = (
        {one.image_id: one for one in HostedImages(of.collection).store.read_descriptors("ab")}
        for of in (ann, bob)
    )
    assert mine["a"] == theirs["a"]
    assert theirs["a"].capture == capture
    # As releases without thumbnails wrote it: it is to be described again.
    assert theirs["b"][-3:] == (4, None, None)


def test_what_an_older_version_described_is_named() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    IndexedImage.objects.filter(image_id="c").update(version=1, vector=b"old")
    lines = exported(ann)
    assert {"left_out": "c"} in lines
    assert sent(bob, lines).body == {"added": 3, "replaced": 0, "unchanged": 0}
