"""What waitress reads of a long body."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.server.project.front import ANYBODYS_BYTES
from django_visualsnoop.server.project.waitress_front import Channel, Parser
from tests.server.v2 import bearer

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

# By name: they have no types.
Adjustments: Any = import_module("waitress.adjustments").Adjustments

pytestmark = pytest.mark.django_db(transaction=True)

LONG = ANYBODYS_BYTES + 1


def parse(headers: dict[str, str], body: bytes = b"", most: int = 2**30) -> Any:
    """Return the parser of a request after the head and this much of the body."""
    fields = {"Host": "localhost", **headers}
    lines = ["POST /api/v2/import HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
    parser = Parser(Adjustments(max_request_body_size=most))
    left = "\r\n".join([*lines, "", ""]).encode() + body
    while left and not parser.completed:
        left = left[parser.received(left) :]
    return parser


def told(parser: Any) -> tuple[str, Any]:
    status, fields, content = parser.error.to_response()
    assert ("Content-Type", "application/problem+json") in fields
    return status, json.loads(content)


@pytest.mark.parametrize(
    "headers", [{"Content-Length": str(LONG)}, {"Transfer-Encoding": "chunked"}]
)
def test_a_long_body_of_who_is_not_known_ends_with_its_head(headers: dict[str, str]) -> None:
    parser = parse({**headers, "Expect": "100-continue"})
    assert parser.completed
    assert not parser.expect_continue
    status, problem = told(parser)
    assert status == "401 Unauthorized"
    assert problem["status"] == 401


def test_a_short_body_is_anybodys() -> None:
    parser = parse({"Content-Length": "4"}, b"body")
    assert parser.completed
    assert parser.error is None


def test_who_is_known_sends_a_long_body(ann: Tenant) -> None:
    parser = parse({**bearer(ann), "Content-Length": str(LONG)}, b"its beginning")
    assert parser.error is None
    assert not parser.completed  # the rest is to come


def test_what_is_too_long_for_all_is_told_as_every_problem_is(ann: Tenant) -> None:
    status, problem = told(parse({**bearer(ann), "Content-Length": "2000"}, most=1000))
    assert status.startswith("413")
    assert problem["status"] == 413


def test_waitress_reads_with_this_parser() -> None:
    assert Channel.parser_class is Parser
