"""The code blocks of the documentation."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Block(NamedTuple):
    language: str
    caption: str
    code: str
    #: The block's first line in its file.
    line: int


def blocks_of(path: Path) -> Iterator[Block]:
    """Yield the ``code-block`` directives of a reStructuredText file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        marker, _, language = line.strip().partition("::")
        if marker != ".. code-block":
            continue
        indent = len(line) - len(line.lstrip())
        body: list[str] = []
        for following in lines[number + 1 :]:
            if following.strip() and len(following) - len(following.lstrip()) <= indent:
                break
            body.append(following)
        caption = ""
        while body and (not body[0].strip() or body[0].strip().startswith(":")):
            option, _, value = body.pop(0).strip().removeprefix(":").partition(":")
            if option == "caption":
                caption = value.strip()
        code = textwrap.dedent("\n".join(body)).strip() + "\n"
        yield Block(language.strip(), caption, code, number + 1)
