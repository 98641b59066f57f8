from __future__ import annotations

import pytest
from django.test import RequestFactory

from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.query_params import parse_count, parse_query


def given(query: str) -> dict[str, str]:
    return parse_query(RequestFactory().get("/", QUERY_STRING=query))


def test_what_can_be_read() -> None:
    assert given("") == {}
    assert given("start=a+b%2Fc&count=&%C3%A9=x") == {"start": "a b/c", "count": "", "é": "x"}


@pytest.mark.parametrize("query", ["start=%FF", "count=1&count=2", "&".join(["a=b"] * 101)])
def test_what_cannot(query: str) -> None:
    with pytest.raises(Refused) as caught:
        given(query)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("007", 7), ("1000", 1000), ("1001", 1000), ("9" * 5000, 1000)],
)
def test_counts(text: str, count: int) -> None:
    assert parse_count({"count": text}) == count
    assert parse_count({}) == 100


@pytest.mark.parametrize("text", ["0", "00", "-1", "+1", "1.0", "", " 1", "²", "٣", "ten"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(Refused, match="an integer from 1 to") as caught:
        parse_count({"count": text})
    assert caught.value.status == 400
