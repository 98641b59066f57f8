"""Run by an interpreter that has ``visualsnoop`` 0.2, of any version: makes calls, and prints JSON.

Read from the standard input: the keys, the endpoint, how many minutes the clock is off, and the
calls, each ``[name, arguments]``, where ``{"base64": …}`` is an image. Written: the collection's
attributes and each call's answer; or the error of the constructor.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import sys
import time
from typing import Any


def main() -> None:
    if not hasattr(base64, "encodestring"):  # until Python 3.8
        base64.encodestring = base64.encodebytes  # type: ignore[attr-defined]
    asked = json.load(sys.stdin)
    if asked["minutes"]:
        mktime = time.mktime
        # What the client makes its Date of.
        time.mktime = lambda moment: mktime(moment) + 60 * asked["minutes"]
    models: Any = importlib.import_module("visualsnoop.models")
    try:
        client = models.Collection(*asked["keys"], endpoint=asked["endpoint"])
    except Exception as error:  # noqa: BLE001 # its own has no name that it exports
        print(json.dumps({"error": str(error)}))  # noqa: T201
        return
    answers = [
        getattr(client, name)(*map(_argument, arguments)) for name, arguments in asked["calls"]
    ]
    about = [client.id, client.name, client.user]
    print(json.dumps({"about": about, "answers": answers, "python": sys.version}))  # noqa: T201


def _argument(value: Any) -> Any:
    return io.BytesIO(base64.b64decode(value["base64"])) if isinstance(value, dict) else value


if __name__ == "__main__":
    main()
