"""``python -m tests.stock.database CREATE`` (or ``DROP``): the database that the settings name."""

from __future__ import annotations

import sys
from typing import Any

from django.db import connection


def main(verb: str) -> None:
    server: Any = connection  # _nodb_cursor() is what Django's own test runner uses for this
    name = connection.ops.quote_name(str(connection.settings_dict["NAME"]))
    with server._nodb_cursor() as cursor:
        cursor.execute(f"{verb} DATABASE {name}")


main(sys.argv[1])
