"""A second process on the same database, told what to do line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from tests.collections.contract import image

ROOT = Path(__file__).resolve().parents[2]


class OtherProcess:
    """Runs a collection's calls in an interpreter of its own.

    Pictures are given by the number of their scene.
    """

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                __name__,
                str(connection.settings_dict["NAME"]),
                settings.TEST_DATABASE,
                name,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> OtherProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.communicate()  # the end of its input ends it

    def start(self, method: str, *args: Any, **kwargs: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, args, kwargs]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the other process ended"
        return json.loads(line)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self.start(method, *args, **kwargs)
        return self.answer()


def main(database: str, kind: str, name: str) -> None:
    import os

    os.environ["TEST_DATABASE"] = kind
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    settings.DATABASES["default"]["NAME"] = database
    import django

    django.setup()
    from django_visualsnoop.client.exceptions import VisualSnoopError
    from django_visualsnoop.collections.local import LocalCollection
    from django_visualsnoop.common.search_options import SearchOptions

    collection = LocalCollection(name, {})
    for line in sys.stdin:
        method, args, kwargs = json.loads(line)
        try:
            if method == "search":
                found = collection.search_images(image(*args), SearchOptions(**kwargs)).matches
                answer: Any = sorted(match.image_id for match in found)
            elif method == "add":
                scene, image_id = args
                answer = collection.add_image(image(scene), image_id, **kwargs).created
            elif method == "add_many":
                items = [(image_id, image(scene)) for scene, image_id in args]
                answer = len(list(collection.add_images(items)))
            else:
                answer = getattr(collection, method)(*args, **kwargs).image_id
        except VisualSnoopError as error:
            answer = type(error).__name__
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
