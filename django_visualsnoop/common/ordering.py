"""Order the pictures of groups by the proposals, and say what was done to each."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING, Protocol, TypeVar

from django_visualsnoop.common.edit_texts import describe_bytes, describe_edits
from django_visualsnoop.common.proposals import DEFAULT_RULE, note_edits, order_candidates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.common.proposals import Candidate, Criterion

#: Of a larger group, only the edits between the oldest picture and each other one are determined.
ALL_PAIRS = 6


class GroupedPicture(Protocol):
    """A picture of a group that a page shows."""

    candidate: Candidate
    #: What was done to it, compared with the proposed one; in words, too.
    edits: Edits | None
    edit_texts: list[str]


_Picture = TypeVar("_Picture", bound=GroupedPicture)


def order_groups(
    groups: Sequence[Sequence[_Picture]],
    find_edits: Callable[
        [Sequence[Sequence[tuple[_Picture, _Picture]]]],
        Sequence[Mapping[tuple[str, str], Edits]],
    ],
    rule: Sequence[str | Criterion] = DEFAULT_RULE,
) -> list[list[_Picture]]:
    """Return the pictures of each group, the one that is proposed to be kept first.

    Args:
        groups: the pictures, whose candidates know their age. This fills in what was done to them.
        find_edits: returns the edits between pairs of each group, by the keys of both candidates;
            this calls it twice at most.
        rule: see ``proposals``.
    """
    aged = [sorted(group, key=lambda one: one.candidate.age) for group in groups]
    edits = [dict(one) for one in find_edits([_pair_up(group) for group in aged])]
    ordered: list[list[_Picture]] = []
    for group, known in zip(groups, edits, strict=True):
        note_edits([one.candidate for one in group], known)
        by_key = {one.candidate.key: one for one in group}
        # Equal ones stay in the order of the group.
        order = order_candidates([one.candidate for one in group], rule)
        ordered.append([by_key[one.key] for one in order])
    missing = [
        list(product(group[:1], group[1:]))
        if len(group) > ALL_PAIRS and group[0].candidate.age
        else []
        for group in ordered
    ]
    if any(missing):
        for known, more in zip(edits, find_edits(missing), strict=True):
            known |= more
    for group, known in zip(ordered, edits, strict=True):
        for one in group[1:]:
            first = group[0]
            one.edits = known.get((first.candidate.key, one.candidate.key))
            sizes = first.candidate.file_size or None, one.candidate.file_size or None
            texts = [] if one.edits is None else describe_edits(one.edits)
            one.edit_texts = [*texts, *filter(None, [describe_bytes(*sizes)])]
    return ordered


def _pair_up(aged: Sequence[_Picture]) -> list[tuple[_Picture, _Picture]]:
    """Return the pictures of a group to compare, given the oldest one first."""
    if len(aged) > ALL_PAIRS:
        return list(product(aged[:1], aged[1:]))
    return list(permutations(aged, 2))
