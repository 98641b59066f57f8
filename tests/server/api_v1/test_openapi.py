"""The document of API v1: every call is in it, under its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_visualsnoop.server.api_v1.openapi import build_document
from django_visualsnoop.server.api_v1.view import OPERATIONS

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what is documented, by path and method."""
    return {
        (path, method): said
        for path, methods in build_document()["paths"].items()
        for method, said in methods.items()
    }


def test_every_call_is_documented() -> None:
    expected = {
        (f"/{kind}/{{id}}" if has_id else f"/{kind}", method.lower())
        for (kind, has_id), calls in OPERATIONS.items()
        for method in calls
    }
    assert set(operations()) == expected
    assert len({said["operationId"] for said in operations().values()}) == len(expected)


def test_an_id_is_a_parameter_where_the_path_has_one() -> None:
    for (path, _), said in operations().items():
        named = [one["name"] for one in said["parameters"] if one["in"] == "path"]
        assert named == (["id"] if "{id}" in path else [])


def test_only_calls_that_read_a_picture_have_a_body() -> None:
    with_body = {key for key, said in operations().items() if "requestBody" in said}
    assert with_body == {
        ("/image", "post"),
        ("/image/{id}", "post"),
        ("/image/{id}", "put"),
        ("/search", "post"),
    }


def test_each_call_has_its_successes_and_one_kind_of_refusal() -> None:
    found = operations()
    assert set(found["/image/{id}", "put"]["responses"]) == {"200", "201", "default"}
    assert set(found["/image", "post"]["responses"]) == {"201", "default"}
    for said in found.values():
        content = said["responses"]["default"]["content"]["application/json"]
        assert content == {"schema": {"$ref": "#/components/schemas/Error"}}
        for response in said["responses"].values():
            schema = response["content"]["application/json"]["schema"]
            assert "$ref" in schema or {"message", "status"} <= set(schema["required"])


def test_paths_are_relative_to_where_a_proxy_serves_them(settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"PATH_PREFIX": "/images"}
    assert build_document()["servers"] == [{"url": "/images/api/v1"}]
