"""What every collection must do, as tests for pytest that other projects can use, too."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageOps

from django_visualsnoop.client.exceptions import (
    ConflictError,
    ImageRefusedError,
    InvalidImageIdError,
    NotFoundError,
)
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.exceptions import UnsupportedSearch
from django_visualsnoop.testing.drawing import draw_picture

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.collections.base import BaseCollection
    from django_visualsnoop.common.open_pictures import OpenPicture

ODD_IDS = [
    "two words",
    "a/b",
    "a//b",
    "/leading",
    "trailing/",
    "line\nbreak",
    "tab\there",
    "caf\u00e9",
    "cafe\u0301",
    "日本語",
    "trailing space ",
    " leading space",
    "...",
    "a?b=c",
    "a#b",
    "%41",
    "a%2Fb",
    "a+b&c;d",
    "back\\slash",
    "[x]:@!$'()*,",
    "x" * 100,
    "\N{GRINNING FACE}" * 100,
]
IMPOSSIBLE_IDS = ["", "x" * 101, "é" * 101, "nul\0", "\ud800", ".", "..", "a/../b", "./a"]


class CollectionContract:
    """Tests of a collection. A subclass needs a fixture ``collection``, empty before each test.

    ::

        class TestMyCollection(CollectionContract):
            @pytest.fixture
            def collection(self):
                return MyCollection("default", {})
    """

    #: The collection refuses bytes that are no picture.
    decodes: ClassVar[bool] = True

    def test_add_with_an_id(self, collection: BaseCollection) -> None:
        added = collection.add_image(draw_picture(1), "first")
        assert added.image_id == "first"
        assert added.created
        assert added.image_time is not None
        assert added.image_time.utcoffset() == timedelta(0)
        assert re.fullmatch("[0-9a-f]{8}", added.collection_id)

    def test_add_without_an_id_chooses_a_new_one(self, collection: BaseCollection) -> None:
        first = collection.add_image(draw_picture(1))
        second = collection.add_image(draw_picture(1))
        assert re.fullmatch("[0-9a-f]{32}", first.image_id)
        assert first.image_id != second.image_id
        assert collection.get_image(first.image_id).image_time == first.image_time

    def test_adding_an_existing_id_conflicts_and_changes_nothing(
        self, collection: BaseCollection
    ) -> None:
        added = collection.add_image(draw_picture(1), "a")
        with pytest.raises(ConflictError) as caught:
            collection.add_image(draw_picture(2), "a")
        assert caught.value.status == 409
        assert collection.get_image("a").image_time == added.image_time
        assert collection.search_images(draw_picture(1)).matches[0].image_id == "a"

    def test_update_existing_replaces_the_picture(self, collection: BaseCollection) -> None:
        added = collection.add_image(draw_picture(1), "a")
        updated = collection.add_image(draw_picture(2), "a", update_existing=True)
        assert not updated.created
        assert updated.image_time is not None
        assert added.image_time is not None
        assert updated.image_time > added.image_time
        assert collection.search_images(draw_picture(2)).matches[0].image_id == "a"
        assert [m for m in collection.search_images(draw_picture(1)).matches if m.rank == 0] == []

    def test_update_existing_adds_a_missing_id(self, collection: BaseCollection) -> None:
        assert collection.add_image(draw_picture(1), "a", update_existing=True).created
        assert collection.get_image("a").image_id == "a"

    def test_update_existing_without_an_id_adds(self, collection: BaseCollection) -> None:
        assert collection.add_image(draw_picture(1), None, update_existing=True).created

    def test_delete(self, collection: BaseCollection) -> None:
        collection.add_image(draw_picture(1), "a")
        collection.add_image(draw_picture(2), "b")
        assert collection.delete_image("a").image_id == "a"
        with pytest.raises(NotFoundError):
            collection.get_image("a")
        assert "a" not in [m.image_id for m in collection.search_images(draw_picture(1)).matches]
        assert [listed.image_id for listed in collection.iter_images()] == ["b"]
        assert collection.add_image(draw_picture(1), "a").created

    def test_missing_ids_are_not_found(self, collection: BaseCollection) -> None:
        for call in (
            collection.get_image,
            collection.delete_image,
            collection.search_images_by_id,
        ):
            with pytest.raises(NotFoundError) as caught:
                call("missing")
            assert caught.value.status == 404

    def test_odd_ids_stay_as_they_are(self, collection: BaseCollection) -> None:
        for image_id in ODD_IDS:
            assert collection.add_image(draw_picture(1), image_id).image_id == image_id
            assert collection.get_image(image_id).image_id == image_id
        assert {listed.image_id for listed in collection.iter_images()} == set(ODD_IDS)
        found = collection.search_images_by_id(ODD_IDS[0]).matches
        assert {match.image_id for match in found} == set(ODD_IDS[1:])
        for image_id in ODD_IDS:
            assert collection.get_images(start=image_id, count=1).images[0].image_id == image_id
            assert collection.delete_image(image_id).image_id == image_id
        assert list(collection.iter_images()) == []

    @pytest.mark.parametrize(
        ("one", "other"), [("case", "CASE"), ("a", "a "), ("caf\u00e9", "cafe\u0301"), ("ss", "ß")]
    )
    def test_ids_that_look_alike_differ(
        self, collection: BaseCollection, one: str, other: str
    ) -> None:
        collection.add_image(draw_picture(1), one)
        with pytest.raises(NotFoundError):
            collection.get_image(other)
        collection.add_image(draw_picture(1), other)
        collection.delete_image(one)
        assert collection.get_image(other).image_id == other

    @pytest.mark.parametrize("image_id", IMPOSSIBLE_IDS)
    def test_impossible_ids_are_refused(self, collection: BaseCollection, image_id: str) -> None:
        calls = (
            lambda: collection.add_image(draw_picture(1), image_id),
            lambda: collection.add_image(draw_picture(1), image_id, update_existing=True),
            lambda: collection.get_image(image_id),
            lambda: collection.delete_image(image_id),
            lambda: collection.search_images_by_id(image_id),
        )
        for call in calls:
            with pytest.raises(InvalidImageIdError):
                call()
        assert list(collection.iter_images()) == []

    def test_empty_bytes_are_refused(self, collection: BaseCollection) -> None:
        collection.add_image(draw_picture(1), "kept")
        for call in (
            lambda: collection.add_image(b"", "a"),
            lambda: collection.add_image(b"", "kept", update_existing=True),
            lambda: collection.search_images(b""),
        ):
            with pytest.raises(ImageRefusedError) as caught:
                call()
            assert caught.value.reason == "empty"
        assert [listed.image_id for listed in collection.iter_images()] == ["kept"]

    @pytest.mark.parametrize("content", [b"no picture at all", draw_picture(1)[:300]])
    def test_undecodable_bytes_are_refused(
        self, collection: BaseCollection, content: bytes
    ) -> None:
        if not self.decodes:
            pytest.skip("this collection takes any bytes")
        for call in (
            lambda: collection.add_image(content, "a"),
            lambda: collection.search_images(content),
        ):
            with pytest.raises(ImageRefusedError) as caught:
                call()
            assert caught.value.reason in {"undecodable", "unsupported"}
        assert list(collection.iter_images()) == []

    def test_listing_is_newest_first_in_pages(self, collection: BaseCollection) -> None:
        for image_id in "abcde":
            collection.add_image(draw_picture(1), image_id)
        first = collection.get_images(count=2)
        assert [listed.image_id for listed in first.images] == ["e", "d"]
        assert first.next_image_id == "c"
        second = collection.get_images(start="c", count=2)
        assert [listed.image_id for listed in second.images] == ["c", "b"]
        last = collection.get_images(start=second.next_image_id, count=2)
        assert [listed.image_id for listed in last.images] == ["a"]
        assert last.next_image_id is None
        times = [listed.image_time for listed in collection.get_images().images]
        assert None not in times
        assert times == sorted(set(filter(None, times)), reverse=True)

    def test_listing_resumes_at_a_deleted_start(self, collection: BaseCollection) -> None:
        for image_id in "abcd":
            collection.add_image(draw_picture(1), image_id)
        collection.delete_image("c")
        page = collection.get_images(start="c")
        assert [listed.image_id for listed in page.images] == ["b", "a"]

    def test_updating_moves_to_the_front(self, collection: BaseCollection) -> None:
        for image_id in "abc":
            collection.add_image(draw_picture(1), image_id)
        collection.add_image(draw_picture(1), "a", update_existing=True)
        assert [listed.image_id for listed in collection.iter_images()] == ["a", "c", "b"]

    def test_an_empty_collection(self, collection: BaseCollection) -> None:
        page = collection.get_images()
        assert page.images == []
        assert page.next_image_id is None
        assert collection.search_images(draw_picture(1)).matches == []
        assert list(collection.iter_pairs()) == []

    def test_count_bounds(self, collection: BaseCollection) -> None:
        for image_id in "ab":
            collection.add_image(draw_picture(1), image_id)
        assert len(collection.get_images(count=1).images) == 1
        assert len(collection.get_images(count=100_000).images) == 2
        for count in (0, -1):
            with pytest.raises(ValueError, match=str(count)):
                collection.get_images(count=count)

    def test_add_images_goes_on_after_a_bad_one(self, collection: BaseCollection) -> None:
        collection.add_image(draw_picture(3), "c")
        items: list[tuple[str, ImageSource]] = [
            ("a", draw_picture(1)),
            ("bad", b""),
            ("x" * 101, draw_picture(1)),
            ("c", draw_picture(2)),
        ]
        outcomes = dict(collection.add_images(items))
        assert list(outcomes) == ["a", "bad", "x" * 101, "c"]
        assert isinstance(outcomes["bad"], ImageRefusedError)
        assert isinstance(outcomes["x" * 101], InvalidImageIdError)
        assert not isinstance(outcomes["a"], OSError)
        assert outcomes["a"].image_id == "a"
        assert {listed.image_id for listed in collection.iter_images()} == {"a", "c"}
        assert collection.search_images(draw_picture(2)).matches[0].image_id == "c"

    def test_add_images_takes_its_items_as_it_goes(self, collection: BaseCollection) -> None:
        taken = 0

        def items() -> Iterator[tuple[str, ImageSource]]:
            nonlocal taken
            for number in range(2 * collection.bulk_size + 2):
                taken += 1
                yield str(number), draw_picture(1)

        outcomes = collection.add_images(items())
        assert taken == 0
        next(outcomes)
        assert 1 <= taken <= collection.bulk_size + 1
        assert len(list(outcomes)) == 2 * collection.bulk_size + 1

    def test_search_finds_the_identical_picture(self, collection: BaseCollection) -> None:
        for number in (1, 2, 3, 4):
            collection.add_image(draw_picture(number), str(number))
        for number in (1, 2, 3, 4):
            found = collection.search_images(draw_picture(number))
            assert found.matches[0].image_id == str(number)
            assert found.matches[0].rank == 0
            assert [match.image_id for match in found.matches if match.rank == 0] == [str(number)]
            if collection.supports_similarity:
                assert found.matches[0].similarity == pytest.approx(1.0, abs=1e-3)

    def test_search_by_id_leaves_itself_out(self, collection: BaseCollection) -> None:
        collection.add_image(draw_picture(1), "a")
        collection.add_image(draw_picture(2), "b")
        collection.add_image(draw_picture(1), "a again")
        found = collection.search_images_by_id("a")
        assert found.image is not None
        assert found.image.image_id == "a"
        assert found.image == collection.get_image("a")
        assert found.matches[0].image_id == "a again"
        assert found.matches[0].rank == 0
        assert "a" not in [match.image_id for match in found.matches]

    def test_results_are_sorted_by_rank(self, collection: BaseCollection) -> None:
        for number in range(6):
            collection.add_image(draw_picture(number % 3), str(number))
        ranks = [match.rank for match in collection.search_images(draw_picture(1)).matches]
        assert ranks[:2] == [0, 0]
        assert ranks == sorted(ranks)
        assert all(type(rank) is int for rank in ranks)

    def test_limit(self, collection: BaseCollection) -> None:
        for image_id in "abc":
            collection.add_image(draw_picture(1), image_id)
        assert len(collection.search_images(draw_picture(1), SearchOptions(limit=2)).matches) == 2
        assert len(collection.search_images_by_id("a", SearchOptions(limit=1)).matches) == 1

    def test_min_similarity(self, collection: BaseCollection) -> None:
        for number in range(4):
            collection.add_image(draw_picture(number), str(number))
        collection.add_image(draw_picture(1), "copy")
        try:
            found = collection.search_images(draw_picture(1), SearchOptions(min_similarity=0.95))
            by_id = collection.search_images_by_id("1", SearchOptions(min_similarity=0.95))
        except UnsupportedSearch:
            assert not collection.supports_similarity
        else:
            assert {match.image_id for match in found.matches} == {"1", "copy"}
            assert all((match.similarity or 0) >= 0.95 for match in found.matches)
            assert [match.image_id for match in by_id.matches] == ["copy"]

    def test_allowed(self, collection: BaseCollection) -> None:
        for image_id in "abc":
            collection.add_image(draw_picture(1), image_id)
        found = collection.search_images(
            draw_picture(1), SearchOptions(allowed={"b", "other"}, limit=1)
        )
        assert [match.image_id for match in found.matches] == ["b"]
        found = collection.search_images_by_id("a", SearchOptions(allowed=["a", "c"]))
        assert [match.image_id for match in found.matches] == ["c"]
        assert collection.search_images(draw_picture(1), SearchOptions(allowed=())).matches == []

    def test_placements(self, collection: BaseCollection) -> None:
        for image_id in "ab":
            collection.add_image(draw_picture(1), image_id)
        collection.add_image(draw_picture(2), "other")
        try:
            found = collection.placements("a", ["b", "other", "missing"])
        except UnsupportedSearch:
            return
        assert set(found) == {"b"}
        assert found["b"].part_of_second.area > 0.95
        with pytest.raises(NotFoundError):
            collection.placements("missing", ["a"])

    def test_edits(self, collection: BaseCollection) -> None:
        with Image.open(io.BytesIO(draw_picture(1))) as opened:
            mirrored = ImageOps.mirror(opened.convert("RGB"))
        written = io.BytesIO()
        mirrored.save(written, "PNG")
        contents = {
            "a": draw_picture(1),
            "b": written.getvalue(),
            "c": draw_picture(2),
            "same": draw_picture(1),
        }
        for image_id, content in contents.items():
            collection.add_image(content, image_id)

        def find(image_ids: Collection[str]) -> dict[str, OpenPicture]:
            return {one: partial(io.BytesIO, contents[one]) for one in image_ids}

        for find_pictures in (None, find):
            try:
                found = collection.describe_edits(
                    "a", ["b", "c", "a", "same", "missing"], find_pictures
                )
            except UnsupportedSearch:
                return
            assert found.keys() == {"b", "same"}
            assert [name for name in found if found[name].mirrored] == ["b"]
            assert list(found["same"].matrix) == [1, 0, 0, 1, 0, 0]
            pairs = [("a", "b"), ("b", "a"), ("a", "c"), ("a", "missing"), ("missing", "a")]
            of_pairs = collection.describe_edits_of_pairs(pairs, find_pictures)
            assert of_pairs.keys() == {("a", "b"), ("b", "a")}
            assert of_pairs["a", "b"] == found["b"]
        with pytest.raises(NotFoundError):
            collection.describe_edits("missing", ["a"])

    def test_not_duplicates(self, collection: BaseCollection) -> None:
        for image_id in "ab":
            collection.add_image(draw_picture(1), image_id)
        collection.add_image(draw_picture(1), "c")
        assert collection.list_not_duplicates() == []
        if not collection.supports_not_duplicates:
            for change in (collection.mark_not_duplicates, collection.unmark_not_duplicates):
                with pytest.raises(UnsupportedSearch, match="does not support marking"):
                    change([("a", "b")])
            return
        assert collection.mark_not_duplicates([("b", "a")]) == 1
        with pytest.raises(NotFoundError):
            collection.mark_not_duplicates([("a", "missing"), ("a", "c")])
        marked = [("a", "b"), ("a", "missing"), ("a", "c")]
        assert collection.mark_not_duplicates(marked, ignore_missing=True) == 1
        assert collection.list_not_duplicates(["c"]) == [("a", "c")]
        for touching in (None, ["b"]):
            pairs = collection.iter_pairs(touching=touching)
            assert [(pair.first_id, pair.second_id) for pair in pairs] == [("b", "c")]
        assert collection.unmark_not_duplicates(marked) == 2
        assert len(list(collection.iter_pairs())) == 3

    def test_changes(self, collection: BaseCollection) -> None:
        collection.add_image(draw_picture(1), "a")
        collection.add_image(draw_picture(2), "b")
        token = collection.get_change_token()
        if token is None:
            return
        assert collection.count_changes_since(token) == 0
        collection.delete_image("b")
        assert collection.count_changes_since(token) == 0
        collection.add_image(draw_picture(3), "c")
        collection.add_image(draw_picture(2), "a", update_existing=True)
        assert collection.count_changes_since(token) == 2
        assert collection.count_changes_since(f"x{token}") is None
        assert collection.count_changes_since(token.replace(":", ":9", 1)) is None
        assert collection.count_changes_since("") is None

    def test_kinds_of_search(self, collection: BaseCollection) -> None:
        for number in (1, 2, 3):
            collection.add_image(draw_picture(number), str(number))
        collection.add_image(draw_picture(1), "copy")
        found = collection.search_images(draw_picture(1), SearchOptions(kind="copies")).matches
        assert {match.image_id for match in found if match.rank == 0} == {"1", "copy"}
        options: dict[str, Any] = {"kind": "alike"}
        with pytest.raises(ValueError, match="kind must be 'copies' or 'similar', not 'alike'"):
            collection.search_images(draw_picture(1), SearchOptions(**options))
        found = collection.search_images(draw_picture(1), SearchOptions(kind="similar")).matches
        assert {match.image_id for match in found[:2]} == {"1", "copy"}
        assert [match.rank for match in found[:2]] == [0, 0]
        if collection.supports_similarity:
            assert found[0].similarity == pytest.approx(1.0)
        ranks = [match.rank for match in found]
        assert ranks == sorted(ranks)
        assert all(type(rank) is int for rank in ranks)
        by_id = collection.search_images_by_id("1", SearchOptions(kind="similar"))
        assert by_id.image is not None
        assert by_id.image.image_id == "1"
        assert by_id.matches[0].image_id == "copy"
        assert "1" not in [match.image_id for match in by_id.matches]
        limited = collection.search_images(draw_picture(1), SearchOptions(kind="similar", limit=1))
        assert len(limited.matches) == 1
        with pytest.raises(NotFoundError):
            collection.search_images_by_id("missing", SearchOptions(kind="similar"))
        some = collection.search_images(
            draw_picture(1), SearchOptions(kind="similar", allowed={"copy", "other"})
        )
        assert [match.image_id for match in some.matches] == ["copy"]

    def test_portions(self, collection: BaseCollection) -> None:
        for number in range(30):
            collection.add_image(draw_picture(1), f"copy {number}")
        collection.add_image(draw_picture(2), "other")
        for options in (SearchOptions(), SearchOptions(kind="similar")):
            for portions, whole in (
                (
                    collection.iter_matches(draw_picture(1), options),
                    collection.search_images(draw_picture(1), options),
                ),
                (
                    collection.iter_matches_by_id("copy 1", options),
                    collection.search_images_by_id("copy 1", options),
                ),
            ):
                found = [match for portion in portions for match in portion]
                assert len(found) == len({match.image_id for match in found}) >= 29
                assert found[: len(whole.matches)] == whole.matches
            with pytest.raises(NotFoundError):  # at once, not when the portions are read
                collection.iter_matches_by_id("missing", options)
            with pytest.raises(ImageRefusedError):
                collection.iter_matches(b"", options)

    def test_pairs(self, collection: BaseCollection) -> None:
        for image_id in "cab":
            collection.add_image(draw_picture(1), image_id)
        collection.add_image(draw_picture(2), "other")
        copies = [
            (pair.first_id, pair.second_id) for pair in collection.iter_pairs() if pair.rank == 0
        ]
        assert sorted(copies) == [("a", "b"), ("a", "c"), ("b", "c")]

    @pytest.mark.parametrize("kind", ["str", "path", "bytes", "file", "content", "upload"])
    def test_image_sources(self, collection: BaseCollection, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "image.png"
        path.write_bytes(draw_picture(1))
        half_read = io.BytesIO(draw_picture(1))
        half_read.read(50)
        sources: dict[str, ImageSource] = {
            "str": str(path),
            "path": path,
            "bytes": draw_picture(1),
            "file": half_read,
            "content": ContentFile(draw_picture(1)),
            "upload": SimpleUploadedFile("image.png", draw_picture(1)),
        }
        collection.add_image(sources[kind], "a")
        for _ in range(2):
            assert collection.search_images(sources[kind]).matches[0].image_id == "a"
        assert not half_read.closed
