"""A page for people about the calls of API v2, made from its OpenAPI document, without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.html import format_html, format_html_join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.safestring import SafeString

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<p>{description}</p>
<p>All of it for programs: <a href="{prefix}/openapi.json">openapi.json</a>; of API v1:
<a href="{prefix}/v1-openapi.json">v1-openapi.json</a>.</p>
{operations}
</body>
</html>
"""
_OPERATION = """<section>
<h2 id="{}"><code>{} {}</code></h2>
<p>{}</p>
<p>A key needs the scope: {}.</p>
<dl>{}</dl>
</section>
"""


def page(document: Mapping[str, Any]) -> SafeString:
    """Return the page, as HTML.

    Args:
        document: in OpenAPI 3.1.
    """
    prefix = document["servers"][0]["url"]
    operations = format_html_join(
        "",
        _OPERATION,
        (
            (
                said["operationId"],
                method.upper(),
                f"{prefix}{path}",
                said["description"],
                said["x-scope"] or "any",
                _parameters(said),
            )
            for path, methods in document["paths"].items()
            for method, said in methods.items()
        ),
    )
    return format_html(_PAGE, prefix=prefix, operations=operations, **document["info"])


def _parameters(said: Mapping[str, Any]) -> SafeString:
    return format_html_join(
        "",
        "<dt><code>{}</code> ({}, {})</dt><dd>{}</dd>",
        (
            (one["name"], one["in"], one["schema"]["type"], one.get("description", ""))
            for one in said["parameters"]
        ),
    )
