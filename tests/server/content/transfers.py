"""Exported files, and their import."""

from __future__ import annotations

import json
from typing import Any

from tests.server.hosting import Tenant, tenant
from tests.server.v2 import Answer, ask, put


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


def change(lines: list[dict[str, Any]], number: int, **fields: object) -> list[dict[str, Any]]:
    return [{**line, **fields} if place == number else line for place, line in enumerate(lines)]
