"""What a search asks for, beside the picture."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection

Kind: TypeAlias = Literal["copies", "similar"]
Relation: TypeAlias = Literal["copy", "variant", "shot"]

#: Kinds of search: copies of a picture, or pictures that look similar, copies first.
COPIES: Final[Kind] = "copies"
SIMILAR: Final[Literal["similar"]] = "similar"
KINDS: tuple[Kind, ...] = (COPIES, SIMILAR)
#: How a found picture is related to the one of the search: the same picture, with at most global
#: edits; the same picture, with a part of it replaced; or another shot of the same scene. Pictures
#: that only look similar have ``SIMILAR`` in place of these.
COPY: Final[Relation] = "copy"
VARIANT: Final[Relation] = "variant"
SHOT: Final[Relation] = "shot"
RELATIONS: tuple[Relation, ...] = (COPY, VARIANT, SHOT)
#: A limit that no collection reaches. ``None`` would be the backend's own limit.
EVERY_MATCH = sys.maxsize


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of one search.

    Args:
        limit: highest number of matches, at least 1; the backend's own limit if ``None``.
        min_similarity: 0…1; only matches that are at least this similar. If ``None``, the
            backend's own thresholds.
        allowed: search only among these image ids; among all if ``None``.
        kind: ``"copies"`` for edited copies of the picture, its variants and other shots of the
            scene; ``"similar"`` for these, and then for pictures that look similar.
        relations: only matches with these relations, of ``RELATIONS``; all if ``None``. Only
            for ``"copies"``.

    Raises:
        ValueError: an option is out of range.
    """

    limit: int | None = None
    min_similarity: float | None = None
    allowed: Collection[str] | None = None
    kind: Kind = COPIES
    relations: Collection[Relation] | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, not {self.limit!r}.")
        check_similarity(self.min_similarity)
        if self.kind not in KINDS:
            raise ValueError(f"kind must be {' or '.join(map(repr, KINDS))}, not {self.kind!r}.")
        check_relations(self.relations)
        if self.relations is not None and self.kind != COPIES:
            raise ValueError(f"relations requires kind={COPIES!r}, not {self.kind!r}.")


def check_similarity(value: float | None) -> None:
    """Check a threshold.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if value is not None and not 0.0 <= value <= 1.0:
        raise ValueError(f"min_similarity must be between 0 and 1, not {value!r}.")


def check_relations(relations: Collection[Relation] | None) -> None:
    """Check the relations that a search asks for.

    Raises:
        ValueError: there are none, or one does not exist.
    """
    if relations is None:
        return
    if isinstance(relations, str) or not relations or not set(relations) <= set(RELATIONS):
        raise ValueError(
            f"relations must contain {', '.join(map(repr, RELATIONS))}, or some of them, "
            f"not {relations!r}."
        )


#: Options of a search that names none.
DEFAULT_OPTIONS = SearchOptions()
