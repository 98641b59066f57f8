"""Nothing of one collection is seen or changed through another's key, by any call there is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.server.api_v1.openapi import build_document
from django_visualsnoop.server.api_v2.api import api
from tests.collections.contract import image
from tests.server.hosting import Tenant, another_key, call, tenant
from tests.server.v2 import ask, base64, put

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

HERS, NOBODYS = "an-image-of-anns", "an-image-no-one-has"
#: What every operation with a body is sent, by its ``operationId``, about an image id. An
#: operation that is not here, or a parameter that is not below, fails the walk.
BODIES: dict[str, Any] = {
    "add_image": lambda _: image(1),
    "put_image": lambda _: image(1),
    "search_by_image": lambda _: image(1),
    "put_metadata": lambda _: {"of": "bob"},
    "add_many": lambda name: {
        "images": [{"id": name, "content": base64(image(1))}],
        "replace": True,
    },
    "delete_many": lambda name: {"ids": [name]},
    "compare_images": lambda name: {"first": {"id": name}, "second": {"id": name}},
    "put_not_duplicate": lambda name: {"first_id": name, "second_id": f"{name}-2"},
    "import_collection": lambda _: ask(tenant("Eve's"), "GET", "/export").content,
    "post_image": lambda _: image(1),
    "post_image_by_id": lambda _: image(1),
    "put_image_by_id": lambda _: image(1),
    "post_search": lambda _: image(1),
}
IDS = ("image_id", "id", "start", "first_id")
OTHERS: dict[str, Any] = {
    "second_id": lambda name: f"{name}-2",
    "metadata": lambda _: '{"of": "bob"}',
    "filter": lambda _: '{"secret": "anns"}',
    "session": lambda _: "init",
    "replace": lambda _: "true",
    "why": lambda _: "true",
    "relation": lambda _: "copy",
    "kind": lambda _: "copies",
}
#: They name nothing of anyone's.
HARMLESS = ("limit", "offset", "count", "min_similarity")


class Operation(NamedTuple):
    version: int
    method: str
    path: str
    said: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.said["operationId"])

    def send(self, whose: Tenant, name: str, cursor: str) -> tuple[int, str, int]:
        """Ask about an image; return the status, the answer, and how many statements it took."""
        path = self.path
        query: dict[str, Any] = {}
        for parameter in self.said["parameters"]:
            key = parameter["name"]
            if key in HARMLESS:
                continue
            value = cursor if key == "cursor" else name if key in IDS else OTHERS[key](name)
            if parameter["in"] == "path":
                path = path.replace(f"{{{key}}}", value)
            else:
                query[key] = value
        sent = BODIES[self.name](name) if "requestBody" in self.said else b""
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            if self.version == 1:
                reply = call(
                    whose,
                    self.method,
                    f"{path}?{'&'.join('='.join(i) for i in query.items())}".rstrip("?"),
                    body,
                )
                status, text = reply.status, json.dumps(reply.body)
            else:
                answer = ask(whose, self.method, path, body, **query)
                status, text = answer.status, answer.content.decode()
            transaction.set_rollback(True)
        return status, text, len(queries)


def operations() -> Iterator[Operation]:
    for version, document in ((1, build_document()), (2, api.document())):
        for path, methods in document["paths"].items():
            for method, said in methods.items():
                yield Operation(version, method.upper(), path, said)


#: What differs between any two answers.
VARYING = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00|[0-9a-f]{32}(?![0-9a-f])|[0-9a-f]{8}\.\d+\.\d+"
)


@pytest.fixture
def anns() -> Tenant:
    ann = tenant("The name of Ann's collection")
    for name in (HERS, f"{HERS}-2"):
        put(ann, name, 1, secret="anns", sku=12345)
    call(ann, "PUT", f"/image/{HERS}-3", image(2))
    pair = {"first_id": HERS, "second_id": f"{HERS}-2"}
    assert ask(ann, "PUT", "/not-duplicates", data=pair).status == 201
    return ann


def test_to_another_an_image_of_hers_is_one_that_nobody_has(anns: Tenant) -> None:
    bob = tenant("Bob's", "bob@example.com")
    put(bob, "his", 3)
    file = ask(anns, "GET", "/export").content
    cursors = {HERS: ask(anns, "GET", "/collection").body["cursor"], NOBODYS: "0" * 8 + ".0.0"}
    hers = (anns.collection_id, anns.collection.name, anns.public_key, anns.secret)
    hers += tuple(line["sha256"] for line in map(json.loads, file.splitlines()) if "sha256" in line)
    seen = list(operations())
    for operation in seen:
        found = [operation.send(bob, name, cursors[name]) for name in (HERS, NOBODYS)]
        told = [
            (
                status,
                VARYING.sub("…", text.replace(name, "ID").replace(cursors[name], "…")),
                statements,
            )
            for (status, text, statements), name in zip(found, (HERS, NOBODYS), strict=True)
        ]
        # The same statements: nor does the time that it takes tell.
        assert told[0] == told[1], operation.name
        assert found[0][0] != 500
        if "requestBody" not in operation.said:
            assert not [word for word in hers if word in found[0][1]], operation.name
        # Her public key is of no use without the secret, nor is his secret.
        stranger = Tenant(anns.collection_id, anns.public_key, bob.secret)
        assert operation.send(stranger, HERS, cursors[HERS])[0] == 401, operation.name
    assert ask(anns, "GET", "/export").content == file
    assert {operation.version for operation in seen} == {1, 2}
    assert len(seen) == len({(one.version, one.method, one.path) for one in seen}) >= 29


def test_every_call_needs_the_scope_it_names(anns: Tenant) -> None:
    keys = {
        scope: another_key(tenant("Bob's", f"{scope}@example.com").collection_id, scopes=[scope])
        for scope in ("read", "search", "write")
    }
    for operation in operations():
        allowed = {
            scope
            for scope, key in keys.items()
            if operation.send(key, NOBODYS, "0" * 8 + ".0.0")[0] != 403
        }
        if operation.name == "get_collection":
            assert allowed == {"read", "search", "write"}
        else:
            assert len(allowed) == 1, operation.name
            assert allowed == {operation.said.get("x-scope", *allowed)}
        if operation.method in ("PUT", "DELETE"):
            assert allowed == {"write"}, operation.name
