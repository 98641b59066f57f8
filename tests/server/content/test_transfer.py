"""Export and import of a collection, through API v2."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests
from django.db import connection

from django_visualsnoop.client.signing import MessageSignatureAuth
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.content import transfer
from tests.collections.contract import image
from tests.server.hosting import Tenant, call, tenant
from tests.server.serving import PATIENCE
from tests.server.v2 import API2, Answer, ask, put

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from tests.server.serving import Served

pytestmark = pytest.mark.django_db


def filled() -> Tenant:
    ann = tenant("Ann's")
    for name, seed in (("a", 1), ("b", 1), ("c", 2), ("d/é", 3)):
        put(ann, name, seed, sku=seed)
    put(ann, "d/é", 3)
    ask(ann, "PUT", "/not-duplicates", data={"first_id": "a", "second_id": "b"})
    return ann


def exported(whose: Tenant) -> list[dict[str, Any]]:
    answer = ask(whose, "GET", "/export")
    assert answer.headers["Content-Type"] == "application/jsonl"
    return [json.loads(line) for line in answer.content.splitlines()]


def sent(whose: Tenant, lines: list[Any], **query: Any) -> Answer:
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return ask(whose, "POST", "/import", body, **query)


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Return whether two files say the same, in whatever order, but for the header."""
    return sorted(map(json.dumps, one[1:])) == sorted(map(json.dumps, other[1:]))


def test_all_of_a_collection_arrives_in_another() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    lines = exported(ann)
    assert lines[0]["format"] == "visualsnoop-collection"
    assert lines[-1] == {"end": True, "images": 4}
    assert sent(bob, lines).body == {"added": 4, "replaced": 0, "unchanged": 0}
    assert same(exported(bob), lines)
    for path in ("/images", "/not-duplicates", "/search/a", "/groups"):
        assert ask(bob, "GET", path).body == ask(ann, "GET", path).body
    # Again, and again in part: nothing changes.
    assert sent(bob, lines).body == {"added": 0, "replaced": 0, "unchanged": 4}
    call(bob, "DELETE", "/image/c")
    assert sent(bob, lines).body == {"added": 1, "replaced": 0, "unchanged": 3}
    assert same(exported(bob), lines)


def test_other_images_are_replaced_only_if_asked() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    put(bob, "c", 3, its="own")
    before = exported(bob)
    reply = sent(bob, exported(ann))
    assert reply.status == 409
    assert "'c'" in reply.detail
    assert same(exported(bob), before)
    counts = {"added": 3, "replaced": 1, "unchanged": 0}
    assert sent(bob, exported(ann), replace="true").body == counts
    assert ask(bob, "GET", "/images/c").body == ask(ann, "GET", "/images/c").body


def change(lines: list[dict[str, Any]], number: int, **fields: object) -> list[dict[str, Any]]:
    return [{**line, **fields} if place == number else line for place, line in enumerate(lines)]


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


def test_limits_count(settings: Settings) -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    lines = exported(ann)
    bob.limit(max_images=3)
    assert sent(bob, lines).status == 429
    assert ask(bob, "GET", "/count").body == {"count": 0}
    bob.limit(max_images=4)
    assert sent(bob, lines).status == 200
    assert sent(bob, lines).status == 200
    settings.VISUALSNOOP_SERVER = {"MAX_IMPORT_BYTES": 1000}
    assert sent(bob, lines).status == 413


def test_what_an_older_version_described_is_named() -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    IndexedImage.objects.filter(image_id="c").update(version=1, vector=b"old")
    lines = exported(ann)
    assert {"left_out": "c"} in lines
    assert sent(bob, lines).body == {"added": 3, "replaced": 0, "unchanged": 0}


@pytest.mark.django_db(transaction=True)
def test_over_a_socket(served: Served) -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    endpoint = f"http://127.0.0.1:{served.port}{API2}"

    def send(whose: Tenant, method: str, path: str, **options: Any) -> requests.Response:
        # Signed, so that what is spooled is checked as well.
        auth = MessageSignatureAuth(whose.public_key, whose.secret)
        return requests.request(method, endpoint + path, auth=auth, timeout=PATIENCE, **options)

    file = send(ann, "GET", "/export")
    assert file.content.splitlines()[1:] == ask(ann, "GET", "/export").content.splitlines()[1:]
    imported = send(bob, "POST", "/import?replace=true", data=file.content)
    assert imported.json() == {"added": 4, "replaced": 0, "unchanged": 0}
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl says of any bytes
    found = send(bob, "POST", "/search", data=image(3), headers=form, params={"limit": 1})
    assert found.json()["matches"][0]["id"] == "d/é"
    assert send(bob, "GET", "/images/d/%C3%A9").json()["metadata"] == {"sku": 3}
    assert requests.get(f"{endpoint}/images/d", timeout=PATIENCE).json()["status"] == 401


@pytest.mark.django_db(transaction=True)
def test_others_write_between_the_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    eve = tenant("Eve's", "eve@example.com")
    lines = exported(ann)
    ids = [f"n{number}" for number in range(7)]
    many = [{**lines[1], "id": image_id} for image_id in ids]
    pairs = [{"not_duplicates": [ids[0], image_id]} for image_id in ids[1:]]
    monkeypatch.setattr(transfer, "_TOGETHER", 2)
    monkeypatch.setattr(transfer, "_PAIRS_TOGETHER", 4)
    told: list[int] = []

    def between(_: float) -> None:
        assert not connection.in_atomic_block
        put(eve, "a", 1)
        told.append(ask(bob, "GET", "/count").body["count"])

    monkeypatch.setattr(time, "sleep", between)
    answer = sent(bob, [lines[0], *many, *pairs, {"end": True, "images": 7}])
    assert answer.body == {"added": 7, "replaced": 0, "unchanged": 0}
    assert told == [2, 4, 6, 7, 7, 7]
    assert len(ask(bob, "GET", "/not-duplicates").body["pairs"]) == 6


@pytest.mark.django_db(transaction=True)
def test_an_import_that_breaks_off_is_completed_by_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, bob = filled(), tenant("Bob's", "bob@example.com")
    lines = exported(ann)
    monkeypatch.setattr(transfer, "_TOGETHER", 1)
    with monkeypatch.context() as patched:
        # Another program adds one of the images while the first portion is written.
        patched.setattr(time, "sleep", lambda _: put(bob, lines[2]["id"], 5))
        reply = sent(bob, lines)
    assert reply.status == 409
    assert "1 images were imported; import the file again" in reply.detail
    assert sent(bob, lines, replace="true").body == {"added": 2, "replaced": 1, "unchanged": 1}
    assert same(exported(bob), lines)
