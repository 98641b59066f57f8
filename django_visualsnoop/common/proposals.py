"""Propose which row or image of a group to keep, by a rule that a project can choose and extend.

A rule is a sequence of criteria, the most important first. A criterion is a name in ``CRITERIA``,
or a function that takes a ``Candidate`` and returns a value; the highest value is kept. A proposal
is never applied by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from django_visualsnoop.common.edits import Edits

    #: The edits from one row's picture to another's, by both keys.
    EditsByKeys = Mapping[tuple[str, str], Edits]


@dataclass
class Candidate:
    """A row of a group, and what tells whether its picture is the original.

    On the server's pages, an image takes the place of the row.
    """

    #: The row; on the server's pages, ``None``.
    row: Any
    #: The row's key, as text; or the image id.
    key: str
    #: The name of the image field; empty on the server's pages.
    field_name: str
    #: Pixels and bytes of the file; 0 if unknown.
    pixels: int = 0
    file_size: int = 0
    #: 0 for the oldest row of the group, 1 for the next.
    age: int = 0
    #: How many rows of other models are related to it.
    related: int = 0
    #: What was done to its picture, as far as the other pictures show: some of ``EDITS``.
    edits: set[str] = field(default_factory=set)


#: What may have been done to a picture.
CROPPED, FRAMED, CAPTIONED, TURNED, MIRRORED, GREY = EDITS = (
    "cropped",
    "framed",
    "captioned",
    "turned",
    "mirrored",
    "grey",
)

Criterion: TypeAlias = Callable[[Candidate], Any]


def _lacks(*edits: str) -> Criterion:
    return lambda candidate: -len(candidate.edits.intersection(edits))


CRITERIA: dict[str, Criterion] = {
    "whole": _lacks(CROPPED, FRAMED, CAPTIONED),
    "upright": _lacks(TURNED),
    "unmirrored": _lacks(MIRRORED),
    "colour": _lacks(GREY),
    "pixels": lambda candidate: candidate.pixels,
    "bytes": lambda candidate: candidate.file_size,
    "age": lambda candidate: -candidate.age,
    "related": lambda candidate: candidate.related,
}
DEFAULT_RULE: tuple[str | Criterion, ...] = tuple(CRITERIA)


def resolve_rule(rule: Sequence[str | Criterion]) -> list[Criterion]:
    """Return the functions of a rule.

    Raises:
        ImproperlyConfigured: a name does not exist.
    """
    found = []
    for one in rule:
        if isinstance(one, str) and one not in CRITERIA:
            raise ImproperlyConfigured(
                f"visualsnoop_keep_rule contains {one!r}, which does not exist. Use one of "
                f"{', '.join(map(repr, CRITERIA))}, or a function that takes a Candidate."
            )
        found.append(CRITERIA[one] if isinstance(one, str) else one)
    return found


def order_candidates(
    candidates: Sequence[Candidate], rule: Sequence[str | Criterion] = DEFAULT_RULE
) -> list[Candidate]:
    """Return the candidates of a group, the one to keep first.

    Equal ones stay in their order.
    """
    criteria = resolve_rule(rule)
    return sorted(
        candidates, key=lambda one: [criterion(one) for criterion in criteria], reverse=True
    )


def note_edits(candidates: Sequence[Candidate], edits: EditsByKeys) -> None:
    """Fill in ``Candidate.edits``.

    Two pictures do not show which of them was turned or mirrored. What most pictures of the group
    are counts as the original, and among equally many, what the oldest one is.

    Args:
        candidates: the rows of the group.
        edits: the edits from one row's picture to another's; any may be missing.
    """
    by_key = {one.key: one for one in candidates}
    for (first_key, second_key), found in edits.items():
        second = by_key[second_key]
        if found.is_cropped:
            second.edits.add(CROPPED)
        if found.extends:
            by_key[first_key].edits.add(CROPPED)
        if found.is_framed:
            second.edits.add(FRAMED)
        # It is less sure which of both has the caption, so the older one is taken for the original.
        if found.is_captioned and second.age > by_key[first_key].age:
            second.edits.add(CAPTIONED)
        if found.tone == GREY:
            second.edits.add(GREY)
    oldest = min(candidates, key=lambda one: one.age)
    for edit, read in ((TURNED, _read_turn), (MIRRORED, _read_mirrored)):
        classes = {oldest.key: 0} | {
            second: read(found) for (first, second), found in edits.items() if first == oldest.key
        }
        counts = Counter(classes.values())
        usual = max(counts, key=lambda one: (counts[one], one == 0))
        for key, own in classes.items():
            if own != usual:
                by_key[key].edits.add(edit)


def _read_turn(found: Edits) -> int:
    return int(round(found.turn) % 360)


def _read_mirrored(found: Edits) -> int:
    return int(found.mirrored)
