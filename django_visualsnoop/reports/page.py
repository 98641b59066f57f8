"""Write a page piece by piece, so that memory does not hold it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER = "visualsnoop/report"


class Page:
    """A page that is being written.

    Args:
        file: receives the text.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, template: str, **context: Any) -> None:
        """Add a piece.

        Args:
            template: name of a template in the folder of these pages.
            context: its variables.
        """
        self._file.write(render_to_string(f"{_FOLDER}/{template}", context))

    @contextmanager
    def after(self) -> Iterator[Page]:
        """Write pieces that come after others which are written later, within the block."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            yield Page(file)
            file.seek(0)
            shutil.copyfileobj(file, self._file)


@contextmanager
def written_page(path: Path, title: str) -> Iterator[Page]:
    """Write a page to a file, which appears when it is complete.

    Args:
        path: the file; an existing one is replaced.
        title: the page's title.

    Raises:
        OSError: the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with unfinished.open("x", encoding="utf-8") as file:
            page = Page(file)
            page.write("start.html", title=title, now=timezone.now())
            yield page
            page.write("end.html")
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
