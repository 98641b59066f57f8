"""Filter the matches of a service that cannot do so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.common.search_options import COPIES, COPY, SIMILAR
from django_visualsnoop.exceptions import UnsupportedSearch

if TYPE_CHECKING:
    from django_visualsnoop.collections.results import ImageMatch
    from django_visualsnoop.common.search_options import SearchOptions


def narrow_matches(matches: list[ImageMatch], options: SearchOptions) -> list[ImageMatch]:
    """Filter matches on behalf of a collection that cannot do so itself.

    Raises:
        UnsupportedSearch: ``min_similarity`` is given and a match has no similarity, or
            ``relations`` other than copies are given and a match has none.
    """
    if options.allowed is not None:
        matches = [match for match in matches if match.image_id in options.allowed]
    if options.kind == COPIES:
        matches = [match for match in matches if match.relation != SIMILAR]
    if options.relations is not None:
        # API v1 without relations finds copies.
        if set(options.relations) != {COPY} and any(match.relation is None for match in matches):
            raise UnsupportedSearch(
                "This collection does not return how pictures are related, so it supports only "
                f"relations=[{COPY!r}]."
            )
        matches = [match for match in matches if (match.relation or COPY) in options.relations]
    if options.min_similarity is not None:
        if any(match.similarity is None for match in matches):
            raise UnsupportedSearch(
                "This collection returns no similarities, so it does not support min_similarity."
            )
        matches = [
            match
            for match in matches
            if match.similarity is not None and match.similarity >= options.min_similarity
        ]
    return matches[: options.limit]
