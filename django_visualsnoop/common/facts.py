"""What pages say of the pictures of a group, line by line, and in what they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Fact(NamedTuple):
    """One line of what is shown of a picture."""

    label: str
    value: str
    #: Whether the pictures of the group differ in it.
    differs: bool


def compare_facts(lines: Iterable[tuple[str, Sequence[str]]]) -> list[list[Fact]]:
    """Return the facts of each picture.

    Args:
        lines: labels, each with one value per picture.
    """
    compared = [
        [Fact(label, value, differs=len(set(values)) > 1) for value in values]
        for label, values in lines
    ]
    return [list(facts) for facts in zip(*compared, strict=True)]
