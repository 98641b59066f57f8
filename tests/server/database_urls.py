"""Databases of the tests as ``VISUALSNOOP_DATABASE`` names them."""

from __future__ import annotations

from urllib.parse import quote

from django.db import connection


def get_url(name: str) -> str:
    """Return the URL of a database on the server of the tests, or of a file with this path."""
    if connection.vendor == "sqlite":
        return f"sqlite://{name}"
    at = connection.settings_dict
    scheme = {"mysql": "mariadb"}.get(connection.vendor, connection.vendor)
    password = f":{quote(at['PASSWORD'], safe='')}" if at["PASSWORD"] else ""
    port = f":{at['PORT']}" if at["PORT"] else ""
    return f"{scheme}://{quote(at['USER'], safe='')}{password}@{at['HOST']}{port}/{name}"
