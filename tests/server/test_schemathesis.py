"""Both APIs under requests made from their OpenAPI documents, right ones and wrong ones."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from django_visualsnoop.client.signing import MessageSignatureAuth
from django_visualsnoop.server.api_v1.openapi import build_document
from django_visualsnoop.server.api_v2 import view  # noqa: F401 -- registers the operations
from django_visualsnoop.server.api_v2.api import api
from tests.server.serving import PATIENCE
from tests.server.v2 import put

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from tests.server.hosting import Tenant

pytestmark = pytest.mark.http

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
DOCUMENTS = {1: build_document, 2: api.document}
#: For each operation, of right requests and of wrong ones; more find more.
EXAMPLES = int(os.environ.get("TEST_SCHEMATHESIS_EXAMPLES", "3"))
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", DOCUMENTS)
def test_all_operations(ann: Tenant, live_server: LiveServer, version: int) -> None:
    # Every request is signed: test_isolation tries other keys.
    document: Any = {**json.loads(json.dumps(DOCUMENTS[version]())), "security": []}
    for methods in document["paths"].values():
        for said in methods.values():
            body = said.get("requestBody", {}).get("content", {})
            if "application/jsonl" in body:  # it knows of no such thing
                body["application/octet-stream"] = body.pop("application/jsonl")
    schema = schemathesis.openapi.from_dict(document)
    put(ann, "a", 1, sku=5)
    session = requests.Session()
    session.auth = MessageSignatureAuth(ann.public_key, ann.secret)

    def send(case: schemathesis.Case[Any]) -> None:
        response = case.call(
            base_url=f"{live_server.url}/api/v{version}", session=session, timeout=PATIENCE
        )
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            assert response.json()["status"] == response.status_code
            kind = "application/json" if version == 1 else "application/problem+json"
            assert response.headers["content-type"] == [kind]

    for path, methods in document["paths"].items():
        for method, said in methods.items():
            modes = [GenerationMode.POSITIVE]
            if _can_be_wrong(said):
                modes.append(GenerationMode.NEGATIVE)
            for mode in modes:
                cases = schema[path][method].as_strategy(generation_mode=mode)
                BOUNDED(given(cases)(send))()


def _can_be_wrong(said: dict[str, Any]) -> bool:
    """Return whether a request can differ from its schema."""
    body = said.get("requestBody", {}).get("content", {})
    return "application/json" in body or any(one["schema"] for one in said["parameters"])
