"""Groups, as API v2 tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.server.v2 import ask

if TYPE_CHECKING:
    from tests.server.hosting import Tenant


def grouped(whose: Tenant, **query: Any) -> list[list[str]]:
    answer = ask(whose, "GET", "/groups", **query)
    assert answer.status == 200, answer.content
    return [[member["id"] for member in group["members"]] for group in answer.body["groups"]]


def apart(whose: Tenant, first_id: str, second_id: str) -> int:
    pair = {"first_id": first_id, "second_id": second_id}
    return ask(whose, "PUT", "/not-duplicates", data=pair).status
