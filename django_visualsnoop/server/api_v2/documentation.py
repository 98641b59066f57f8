"""A readable page about the calls of API v2, built from its OpenAPI document, without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string

if TYPE_CHECKING:
    from collections.abc import Mapping


def render_documentation(document: Mapping[str, Any]) -> str:
    """Return the page as HTML.

    Args:
        document: the OpenAPI 3.1 document.
    """
    prefix = document["servers"][0]["url"]
    calls = [
        {
            "id": said["operationId"],
            "method": method.upper(),
            "path": f"{prefix}{path}",
            "description": said["description"],
            "scope": said["x-scope"] or "any",
            "parameters": said["parameters"],
        }
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]
    context = {"info": document["info"], "prefix": prefix, "calls": calls}
    return render_to_string("visualsnoop_server/api_v2.html", context)
