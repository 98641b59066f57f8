"""Build an OpenAPI 3.1 document of API v1 from its calls. API v1 itself does not serve it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from django_visualsnoop.client.ids import MAX_IMAGE_ID_LENGTH
from django_visualsnoop.common.search_options import RELATIONS, SIMILAR
from django_visualsnoop.server.api_v1.view import OPERATIONS
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.http.query_params import MAX_COUNT

_TEXT: dict[str, Any] = {"type": "string"}
_ID = {"type": "string", "minLength": 1, "maxLength": MAX_IMAGE_ID_LENGTH}
_ANSWER = {"message": _TEXT, "status": {"type": "integer"}}
_IMAGE = {**_ANSWER, "collection_id": _TEXT, "image_id": _ID, "image_time": _TEXT}
_RESULTS = {
    **_ANSWER,
    "collection_id": {"type": ["string", "null"]},
    "results": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["id", "rank"],
            "properties": {
                "id": _ID,
                "rank": {"type": "integer", "minimum": 0},
                "similarity": {"type": "number", "minimum": 0, "maximum": 1},
                "relation": {"enum": [*RELATIONS, SIMILAR]},
                "difference": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
    },
}
#: The statuses of success and their responses, by the call's function.
_ANSWERS: dict[str, tuple[list[int], dict[str, Any]]] = {
    "get_collection": (
        [200],
        {**_ANSWER, "collection_id": _TEXT, "collection_name": _TEXT, "user": _TEXT},
    ),
    "get_images": (
        [200],
        {
            **_ANSWER,
            "collection_id": {"type": ["string", "null"]},
            "images": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "image_time"],
                    "properties": {"id": _ID, "image_time": _TEXT},
                },
            },
            "next_image_id": {"type": ["string", "null"]},
        },
    ),
    "get_image": ([200], _IMAGE),
    "post_image": ([201], _IMAGE),
    "put_image": ([200, 201], _IMAGE),
    "delete_image": ([200], _IMAGE),
    "search_by_image": ([200], _RESULTS),
    "search_by_id": ([200], {**_RESULTS, "image_id": _ID, "image_time": _TEXT}),
}
_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "get_collection": [{"name": "session", "in": "query", "schema": {}}],
    "get_images": [
        {"name": "start", "in": "query", "schema": _ID},
        {
            "name": "count",
            "in": "query",
            "description": f"At most {MAX_COUNT}; a larger count returns {MAX_COUNT}.",
            "schema": {"type": "integer", "minimum": 1},
        },
    ],
}


def build_document() -> dict[str, Any]:
    """Return the document, with paths relative to the URL of API v1."""
    paths: dict[str, dict[str, Any]] = {}
    for (kind, has_id), calls in OPERATIONS.items():
        path = f"/{kind}/{{id}}" if has_id else f"/{kind}"
        paths[path] = {
            method.lower(): _build_operation(
                call.answer.__name__, f"{method.lower()}_{kind}{'_by_id' * has_id}", has_id
            )
            for method, call in calls.items()
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "VisualSnoop API v1",
            "version": "1.0.0",
            "description": "Every response is a JSON object with `status`, the HTTP status, and "
            "`message`.",
        },
        "servers": [{"url": get_options().path_prefix + reverse("visualsnoop_server:api_v1")}],
        "security": [{"vshmac": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "vshmac": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "VSHMAC PUBLIC_KEY:SIGNATURE. SIGNATURE is the base64 of the "
                    "HMAC-SHA1, with the secret key, of the method, the path and the header Date, "
                    "one on each line. Or sign the request as RFC 9421 describes.",
                }
            },
            "schemas": {"Error": _build_object(_ANSWER)},
        },
    }


def _build_operation(name: str, operation_id: str, has_id: bool) -> dict[str, Any]:
    statuses, properties = _ANSWERS[name]
    parameters = list(_PARAMETERS.get(name, []))
    if has_id:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": _ID})
    made: dict[str, Any] = {
        "operationId": operation_id,
        "parameters": parameters,
        "responses": {
            **{
                str(status): _build_response("Done", _build_object(properties))
                for status in statuses
            },
            "default": _build_response("Not done", {"$ref": "#/components/schemas/Error"}),
        },
    }
    if name in ("post_image", "put_image", "search_by_image"):
        file = {"schema": {"type": "string", "format": "binary", "description": "An image file."}}
        made["requestBody"] = {"required": True, "content": {"application/octet-stream": file}}
    return made


def _build_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _build_response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
