"""What a backend has without writing it itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.client.exceptions import ImageRefusedError, NotFoundError
from django_visualsnoop.collections.base import (
    BaseCollection,
    ImagePair,
    read_page_size,
)
from django_visualsnoop.collections.narrowing import narrow_matches
from django_visualsnoop.collections.results import (
    ImageInfo,
    ImageInfoPage,
    ImageMatch,
    SearchResult,
)
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.common.search_options import DEFAULT_OPTIONS, SearchOptions
from django_visualsnoop.exceptions import UnsupportedSearch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_visualsnoop.client.exceptions import VisualSnoopError


class Scripted(BaseCollection):
    """Answers what the test gives it, and has all else from its base.

    Args:
        similar: by image id, the ids that a search finds.
        pages: of the listing.
        refused: ids of images that cannot be added, and why.
    """

    def __init__(
        self,
        similar: Mapping[str, str] = {},
        pages: Sequence[str] = (),
        refused: Mapping[str, VisualSnoopError] = {},
    ) -> None:
        super().__init__("scripted", {})
        self.similar, self.pages, self.refused = similar, pages, refused
        self.asked: list[Any] = []

    def add_image(
        self, image: Any, image_id: str | None = None, update_existing: bool = False
    ) -> ImageInfo:
        assert image_id is not None
        self.asked.append((image, image_id, update_existing))
        if image_id in self.refused:
            raise self.refused[image_id]
        return info(image_id)

    def get_image(self, image_id: str) -> ImageInfo:
        return info(image_id)

    def delete_image(self, image_id: str) -> ImageInfo:
        return info(image_id)

    def get_images(self, start: str | None = None, count: int | None = None) -> ImageInfoPage:
        self.asked.append((start, count))
        place = 0 if start is None else [page[0] for page in self.pages].index(start)
        following = self.pages[place + 1 : place + 2]
        return ImageInfoPage(
            "", list(map(info, self.pages[place])), following[0][0] if following else None
        )

    def search_images(self, image: Any, options: SearchOptions = DEFAULT_OPTIONS) -> SearchResult:
        raise NotImplementedError

    def search_images_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        self.asked.append((image_id, options))
        if image_id not in self.similar:
            raise NotFoundError("gone")
        return SearchResult("", [ImageMatch(one, 3, 0.9) for one in self.similar[image_id]])


def info(image_id: str) -> ImageInfo:
    return ImageInfo("", image_id, None)


@pytest.mark.parametrize(
    ("count", "size"), [(None, 100), (1, 1), (1000, 1000), (1001, 1000), (10**9, 1000)]
)
def test_a_page_has_at_most_so_many_images(count: int | None, size: int) -> None:
    assert read_page_size(count) == size


@pytest.mark.parametrize("count", [0, -1])
def test_a_page_without_an_image_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"not {count}"):
        read_page_size(count)


MATCHES = [ImageMatch("a", 0, 1.0), ImageMatch("b", 1, 0.9), ImageMatch("c", 2, 0.8)]


@pytest.mark.parametrize(
    ("limit", "min_similarity", "allowed", "ids"),
    [
        (None, None, None, "abc"),
        (2, None, None, "ab"),
        (None, 0.9, None, "ab"),
        (None, None, {"c", "a"}, "ac"),
        (None, None, set(), ""),
        (1, 0.8, {"b", "c"}, "b"),  # the limit counts what is left
    ],
)
def test_matches_are_narrowed(
    limit: int | None, min_similarity: float | None, allowed: set[str] | None, ids: str
) -> None:
    found = narrow_matches(MATCHES, SearchOptions(limit, min_similarity, allowed))
    assert [match.image_id for match in found] == list(ids)


def test_a_threshold_without_similarities_is_unsupported() -> None:
    bare = [*MATCHES, ImageMatch("d", 3)]
    assert narrow_matches(bare, SearchOptions()) == bare
    assert narrow_matches(bare, SearchOptions(None, 0.5, {"a"})) == MATCHES[:1]
    with pytest.raises(UnsupportedSearch, match="min_similarity"):
        narrow_matches(bare, SearchOptions(min_similarity=0.5))


def test_what_only_looks_similar_is_no_copy() -> None:
    """A service with API v1 has one kind of search, and may return both."""
    unknown, copy, shot, similar = mixed = [
        ImageMatch(str(number), number, 0.9, relation)
        for number, relation in enumerate((None, "copy", "shot", "similar"))
    ]
    assert narrow_matches(mixed, SearchOptions(kind="similar")) == mixed
    assert narrow_matches(mixed, SearchOptions()) == [unknown, copy, shot]
    assert narrow_matches(mixed, SearchOptions(relations=["copy"])) == [unknown, copy]
    known = mixed[1:]
    assert narrow_matches(known, SearchOptions(relations=["shot", "copy"])) == [copy, shot]
    with pytest.raises(UnsupportedSearch, match=r"supports only relations=\['copy'\]"):
        narrow_matches(mixed, SearchOptions(relations=["shot"]))
    assert similar in narrow_matches(mixed, SearchOptions(kind="similar", min_similarity=0.9))


def test_many_images_are_added_one_by_one_and_one_error_stops_no_other() -> None:
    error = ImageRefusedError("no picture")
    collection = Scripted(refused={"b": error})
    added = collection.add_images((one, one.encode()) for one in "abc")
    assert next(added) == ("a", info("a"))
    assert len(collection.asked) == 1  # read as it is asked for
    assert list(added) == [("b", error), ("c", info("c"))]
    assert collection.asked[0] == (b"a", "a", True)


def test_the_listing_is_walked_page_by_page() -> None:
    collection = Scripted(pages=["ab", "c", "de"])
    assert [one.image_id for one in collection.iter_images()] == list("abcde")
    assert collection.asked == [(None, 1000), ("c", 1000), ("d", 1000)]
    assert list(Scripted(pages=[""]).iter_images()) == []


class TestPairs:
    """One search for each image."""

    collection = Scripted({"a": "bc", "b": "a", "c": "a", "d": ""}, pages=["ab", "xcd"])

    def pairs(self, **options: Any) -> list[tuple[str, str]]:
        return [(pair.first_id, pair.second_id) for pair in self.collection.iter_pairs(**options)]

    def test_each_pair_comes_once(self) -> None:
        """The image x is listed, and gone when it is searched for."""
        assert self.pairs() == [("a", "b"), ("a", "c")]
        assert next(self.collection.iter_pairs()) == ImagePair("a", "b", 3, 0.9)

    def test_only_pairs_of_some(self) -> None:
        assert self.pairs(touching=["c", "d", "gone"]) == [("a", "c")]
        assert self.pairs(touching=[]) == []

    def test_both_must_count(self) -> None:
        assert self.pairs(among={"a", "b"}.__contains__) == [("a", "b")]
        assert self.pairs(touching=["b"], among={"a", "c"}.__contains__) == []

    def test_progress(self) -> None:
        shares: list[float] = []
        self.pairs(progress=shares.append)
        assert shares == [0, 0.2, 0.4, 0.6, 0.8]

    def test_the_budget_ends_it_and_says_so(self) -> None:
        budget = Budget(searches=5)
        assert len(self.pairs(budget=budget)) == 2
        assert budget.complete
        budget = Budget(searches=1)
        assert self.pairs(touching=["b", "c"], budget=budget) == [("a", "b")]
        assert not budget.complete

    def test_the_threshold_is_passed_on(self) -> None:
        collection = Scripted({"a": ""})
        assert list(collection.iter_pairs(touching=["a"], min_similarity=0.7)) == []
        assert collection.asked == [("a", SearchOptions(min_similarity=0.7))]


def test_what_a_backend_need_not_know() -> None:
    collection = Scripted()
    assert collection.count_without_embedding() == 0
    assert collection.count_outdated() == 0
    assert list(collection.iter_outdated()) == []
    assert collection.check("scripted", {}) == []
    with pytest.raises(UnsupportedSearch):
        collection.placements("a", ["b"])
    assert repr(collection) == "<Scripted 'scripted'>"
