"""What a search asks for, beside the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

#: Kinds of search: copies of a picture, or pictures that look similar.
COPIES, SIMILAR = KINDS = ("copies", "similar")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of one search.

    Args:
        limit: highest number of matches, at least 1; the backend's own limit if ``None``.
        min_similarity: 0…1; only matches that are at least this similar. If ``None``, the
            backend's own threshold for copies, and no threshold for similar pictures.
        allowed: search only among these image ids; among all if ``None``.
        kind: ``"copies"`` for edited copies of the picture, or ``"similar"`` for all pictures,
            ordered by how similar they look.

    Raises:
        ValueError: an option is out of range.
    """

    limit: int | None = None
    min_similarity: float | None = None
    allowed: Collection[str] | None = None
    kind: str = COPIES

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, not {self.limit!r}.")
        check_similarity(self.min_similarity)
        if self.kind not in KINDS:
            raise ValueError(f"kind must be {' or '.join(map(repr, KINDS))}, not {self.kind!r}.")


def check_similarity(value: float | None) -> None:
    """Check a threshold.

    Raises:
        ValueError: it is not between 0 and 1.
    """
    if value is not None and not 0.0 <= value <= 1.0:
        raise ValueError(f"min_similarity must be between 0 and 1, not {value!r}.")


#: Options of a search that names none.
DEFAULT_OPTIONS = SearchOptions()
