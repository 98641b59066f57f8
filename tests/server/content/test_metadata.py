"""What is kept with images, and finds them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from django_visualsnoop.server.models import MetadataValue
from tests.collections.contract import image
from tests.server.hosting import Tenant, tenant
from tests.server.v2 import ask, put

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "not JSON"),
        ("[1]", "JSON object"),
        ('{"a": [1]}', "'a' must be a string"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": 1e999}', "inf"),
        ('{"a": 9007199254740992}', "2^53"),
        ('{"": 1}', "is not a valid name"),
        (json.dumps({"x" * 51: 1}), "1 to 50"),
        (json.dumps({str(n): n for n in range(21)}), "21 names"),
        (json.dumps({"a": "é" * 400}), "2,408 bytes"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_metadata_that_is_refused(ann: Tenant, given: str, words: str) -> None:
    reply = ask(ann, "PUT", "/images/a", image(1), metadata=given)
    assert reply.status == 400
    assert words in reply.detail
    assert ask(ann, "GET", "/count").body == {"count": 0}


def test_odd_values_come_back_as_they_went(ann: Tenant) -> None:
    odd = {
        "nul": "\0",
        "half": "\ud800",
        "é": "日本語",
        "float": 0.1,
        "zero": -0.0,
        "big": 2**53 - 1,
    }
    told = ask(ann, "PUT", "/images/a", image(1), metadata=json.dumps(odd))
    assert told.body["metadata"] == odd
    for name, value in odd.items():
        found = ask(ann, "GET", "/count", filter=json.dumps({name: value}))
        assert found.body == {"count": 1}, name


def test_filters(ann: Tenant) -> None:
    put(ann, "a", 1, colour="red", sku=1)
    put(ann, "b", 1, colour="blue", sku=1.0)
    put(ann, "c", 1, colour="red", sku=True)
    put(ann, "d", 1)
    bob = tenant("Bob's", "bob@example.com")
    put(bob, "e", 1, colour="red")
    for wanted, ids in (
        ({"colour": "red"}, "ac"),
        ({"colour": ["red", "blue", "green"]}, "abc"),
        ({"sku": 1}, "ab"),
        ({"sku": 1, "colour": "red"}, "a"),
        ({"sku": "1"}, ""),
        ({"colour": None}, ""),
    ):
        text = json.dumps(wanted)
        found = ask(ann, "POST", "/search", image(1), filter=text).body["matches"]
        assert sorted(match["id"] for match in found) == list(ids)
        assert ask(ann, "GET", "/count", filter=text).body == {"count": len(ids)}
    matches = ask(ann, "GET", "/search/a", filter='{"colour": "red"}').body["matches"]
    assert [(match["id"], match["metadata"]["sku"]) for match in matches] == [("c", True)]
    assert ask(ann, "GET", "/count").body == {"count": 4}
    for text in ("{}", "[]", '{"a": []}', '{"a": {"b": 1}}', "x"):
        assert ask(ann, "GET", "/count", filter=text).status == 400


def test_a_value_that_is_left_over_finds_nothing(ann: Tenant) -> None:
    put(ann, "a", 1, n=1)
    value = MetadataValue.objects.get()
    put(ann, "a", 1, n=2)
    value.save(force_insert=True)
    assert ask(ann, "GET", "/count", filter='{"n": 1}').body == {"count": 0}
    assert ask(ann, "GET", "/count", filter='{"n": 2}').body == {"count": 1}
    put(ann, "a", 1, n=3)
    assert MetadataValue.objects.count() == 1


def test_the_refusal_names_the_value(ann: Tenant) -> None:
    put(ann, "a", 1)
    for text, words in (
        ("9" * 400, "an integer of about 400 digits"),
        ("1e400", "not inf"),
        ("9007199254740993", "not 9007199254740993"),
        ("NaN", "NaN is not a number"),
    ):
        given = f'{{"k":{text}}}'
        answer = ask(ann, "GET", f"/count?filter={quote(given)}")
        assert answer.status == 400
        assert words in answer.detail
