"""Read the labels that a person gave to pairs, and compare them with what the engine says."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.gallery.collection import get_collection, list_stored
from benchmarks.gallery.samples import get_set_name
from django_visualsnoop.collections.base import ImagePair
from django_visualsnoop.common.clustering import Link, grouped
from django_visualsnoop.common.search_options import COPY, SearchOptions
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching.closer_look import look_closer
from django_visualsnoop.engine.training.repositories import read_blobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.gallery.pictures import Picture

#: The same picture, edited; the same thing in another shot; the same form or page with other
#: contents; different things.
LABELS = ("copy", "scene", "layout", "wrong")
_COLUMNS = ("repository", "path", "other_repository", "other_path", "label")
#: Most pictures that a search returns.
_LIMIT = 1000


class LabelledPair(NamedTuple):
    repository: str
    path: str
    other_repository: str
    other_path: str
    label: str

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return (self.repository, self.path), (self.other_repository, self.other_path)


class Judged(NamedTuple):
    """A labelled pair, and what the engine says of it."""

    first_id: str
    second_id: str
    label: str
    set_name: str
    #: The similarity of the pair if it is called a copy; ``None`` if it is not.
    similarity: float | None
    #: Whether ``duplicates()`` puts both into one group.
    grouped: bool
    #: What a search by the id of either picture says of the other one: a relation, "unknown" if
    #: the match has none, or "not found".
    found_as: tuple[str, str]
    #: Whether a closer look at both files calls the pair a copy, too, or cannot tell.
    confirmed: bool


def read_labels(paths: Sequence[Path]) -> list[LabelledPair]:
    """Return the labelled pairs of some files; rows with an empty label are left out."""
    found: dict[frozenset[tuple[str, str]], LabelledPair] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, delimiter="\t")
            if missing := set(_COLUMNS).difference(rows.fieldnames or ()):
                raise SystemExit(f"{path} has no column {', '.join(sorted(missing))}.")
            for row in rows:
                pair = LabelledPair(*((row[column] or "").strip() for column in _COLUMNS))
                if not pair.label:
                    continue
                if pair.label not in LABELS:
                    labels = ", ".join(LABELS)
                    raise SystemExit(
                        f"{path}, line {rows.line_num}: the label is {pair.label!r}, "
                        f"not one of {labels}."
                    )
                if found.setdefault(frozenset(pair.sides), pair).label != pair.label:
                    raise SystemExit(f"{path}, line {rows.line_num}: the pair has another label.")
    return list(found.values())


def judge(
    labelled: Sequence[LabelledPair],
    by_path: Mapping[tuple[str, str], Picture],
    pictures: Mapping[str, Picture],
    pairs: Sequence[ImagePair],
) -> tuple[list[Judged], int]:
    """Return what the engine says of labelled pairs, and how many are not in the gallery.

    Args:
        labelled: the pairs.
        by_path, pictures: see ``Listing``.
        pairs: all pairs that the engine calls copies.
    """
    stored = list_stored()
    similarities = {(pair.first_id, pair.second_id): pair.similarity for pair in pairs}
    group_of = find_groups(pairs)
    searched: dict[str, dict[str, str]] = {}
    judged = []
    for pair in labelled:
        ids = [by_path[side].image_id for side in pair.sides if side in by_path]
        if len(set(ids)) < 2 or not stored.issuperset(ids):
            continue
        first, second = sorted(ids)
        for image_id in ids:
            if image_id not in searched:
                searched[image_id] = _search(image_id)
        similarity = similarities.get((first, second))
        if similarity is None:
            similarity = _compare(first, second)
        is_grouped = first in group_of and group_of[first] == group_of.get(second)
        name = get_set_name(ImagePair(first, second, 0, None), pictures)
        told = (
            searched[first].get(second, "not found"),
            searched[second].get(first, "not found"),
        )
        confirmed = similarity is not None and _look(pictures[first], pictures[second])
        judged.append(
            Judged(first, second, pair.label, name, similarity, is_grouped, told, confirmed)
        )
    return judged, len(labelled) - len(judged)


def _look(first: Picture, second: Picture) -> bool:
    """Return whether a closer look at the files leaves the pair a copy."""
    both = []
    for picture in (first, second):
        (content,) = read_blobs(picture.folder, [picture.blob])
        assert content is not None  # it has been described
        both.append(decode(content).pixels)
    look = look_closer(*both)
    return look is None or look.relation == COPY


def find_groups(pairs: Sequence[ImagePair]) -> dict[str, int]:
    """Return the number of the group of each image that has one, as ``duplicates()`` groups."""
    links = {
        (pair.first_id, pair.second_id): Link(pair.rank, pair.similarity, ("", ""))
        for pair in pairs
    }
    return {image_id: number for number, group in enumerate(grouped(links)) for image_id in group}


def _search(image_id: str) -> dict[str, str]:
    """Return the relation of each match of a search."""
    found = get_collection().search_images_by_id(image_id, SearchOptions(limit=_LIMIT))
    return {match.image_id: match.relation or "unknown" for match in found.matches}


def _compare(first: str, second: str) -> float | None:
    """Return the similarity of a pair that no list has, such as one of a large group."""
    options = SearchOptions(allowed={second}, relations={COPY})
    matches = get_collection().search_images_by_id(first, options).matches
    return matches[0].similarity if matches else None
