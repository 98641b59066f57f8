"""Export and import of a collection, through API v2."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from django_visualsnoop.server.content import transfer
from tests.server.content.transfers import exported, filled, sent
from tests.server.hosting import call, tenant
from tests.server.v2 import ask, put

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


pytestmark = pytest.mark.django_db


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
