"""One collection as a whole: what is stored of files, found, refused and left out."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.common.search_options import KINDS, SearchOptions
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.thumbnail import encode
from django_visualsnoop.engine.exceptions import ImageMissing, ImageTooLarge
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.pair_budget import select_searched
from tests.collections.contract import image
from tests.embeddings import MeanColour
from tests.engine.pictures import saved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_visualsnoop.engine.hits import Hits

pytestmark = pytest.mark.django_db


@pytest.fixture
def gallery() -> Gallery:
    return Gallery("default", "shop")


@pytest.fixture
def filled(gallery: Gallery) -> Gallery:
    """Two copies of one scene, and another scene; the last one is the newest."""
    for image_id, number in (("a", 1), ("b", 1), ("other", 2)):
        gallery.store.put([gallery.describe_image(image(number), image_id)])
    return gallery


def ids(found: Hits) -> list[str]:
    return [hit.image_id for hit in found.hits]


def pairs(gallery: Gallery, **options: Any) -> list[tuple[str, str]]:
    return [(one.first_id, one.second_id) for one in gallery.find_pairs(**options)]


def test_what_is_stored_of_a_file(gallery: Gallery) -> None:
    content = image(1)
    new = gallery.describe_image(content, "a")
    picture = gallery.decode_picture(content)
    assert (new.image_id, new.version, new.digest) == (
        "a",
        describe.DESCRIPTION_VERSION,
        sha256(content).hexdigest(),
    )
    assert (new.width, new.height) == (picture.width, picture.height)
    assert new.vector == describe.describe(picture.pixels).to_bytes()
    assert new.thumbnail == encode(picture.pixels)
    assert (new.embedding, new.embedding_model) == (None, "")
    assert not IndexedImage.objects.exists()


def test_the_limits_hold_for_what_is_stored_and_for_what_is_looked_for() -> None:
    gallery = Gallery("default", "shop", max_pixels=100)
    for use in (
        lambda: gallery.describe_image(image(1), "a"),
        lambda: gallery.search(image(1), SearchOptions(limit=1)),
        lambda: gallery.search(image(1), SearchOptions(kind="similar", limit=1)),
    ):
        with pytest.raises(ImageTooLarge):
            use()


def test_capture_times_can_be_switched_off(gallery: Gallery) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Example"
    exif.get_ifd(0x8769)[0x9003] = "2024:07:14 15:30:05"
    content = saved(Image.new("RGB", (40, 30)), "JPEG", exif=exif)
    assert gallery.decode_picture(content).capture is not None
    without = Gallery("default", "shop", capture_times=False)
    assert without.decode_picture(content).capture is None
    for options, expected in (({}, True), ({"capture_times": False}, False)):
        collection = LocalCollection("shop", {"OPTIONS": options})
        picture = collection._gallery.decode_picture(content)
        assert (picture.capture is not None) is expected


def test_before_anything_was_written_nothing_is_found(gallery: Gallery) -> None:
    assert gallery.search(image(1), SearchOptions(limit=5)) == (None, [], None)
    assert gallery.search(image(1), SearchOptions(kind="similar", limit=5)) == (None, [], None)
    assert gallery.build_pair_finder() is None
    assert pairs(gallery) == []
    for kind in KINDS:
        with pytest.raises(ImageMissing, match="'a'"):
            gallery.search_by_id("a", SearchOptions(kind=kind))


def test_a_search_finds_copies_with_their_rank(filled: Gallery) -> None:
    found = filled.search(image(1), SearchOptions(limit=5))
    assert found.collection_id == filled.store.find_collection_id()
    assert [(hit.image_id, hit.rank) for hit in found.hits] == [("a", 0), ("b", 0)]
    assert all(0.99 < hit.similarity <= 1 for hit in found.hits)
    assert ids(filled.search(image(1), SearchOptions(limit=1))) == ["a"]
    assert ids(filled.search(image(1), SearchOptions(limit=5, allowed=["b", "other"]))) == ["b"]


def test_a_search_by_id_leaves_that_image_out(filled: Gallery) -> None:
    found = filled.search_by_id("a", SearchOptions(limit=5))
    assert ids(found) == ["b"]
    assert found.image_time == filled.store.get("a").image_time
    # Without an embedding model, only copies are similar.
    assert ids(filled.search_by_id("a", SearchOptions(kind="similar", limit=5))) == ["b"]


def test_the_threshold_of_a_search_comes_before_the_collections(filled: Gallery) -> None:
    strict = Gallery("default", "shop", min_similarity=1)
    assert ids(strict.search(image(1), SearchOptions(limit=5))) == []
    assert ids(strict.search(image(1), SearchOptions(limit=5, min_similarity=0.5))) == ["a", "b"]
    assert pairs(strict) == []
    assert pairs(strict, min_similarity=0.5) == [("a", "b")]


def test_the_collections_threshold_is_for_copies_only() -> None:
    strict = Gallery("default", "shop", min_similarity=1, embedding=MeanColour())
    for image_id, number in (("a", 1), ("b", 1), ("other", 2)):
        strict.store.put([strict.describe_image(image(number), image_id)])
    similar = SearchOptions(kind="similar", limit=5)
    assert ids(strict.search(image(1), similar)) == ["a", "b", "other"]
    assert ids(strict.search_by_id("a", similar)) == ["b", "other"]
    assert ids(strict.search(image(1), replace(similar, min_similarity=0.999))) == ["a", "b"]


def test_a_stored_image_of_another_version_is_to_be_added_again(filled: Gallery) -> None:
    IndexedImage.objects.filter(image_id="a").update(version=1, seq=None)
    with pytest.raises(ImageMissing, match="Add it again"):
        filled.search_by_id("a")


class TestBudget:
    """Which images pairs are looked for, when not all may be."""

    def searched(self, gallery: Gallery, touching: Iterable[str] | None, **limits: Any) -> Any:
        budget = Budget(**limits)
        found = select_searched(gallery.store, budget, None if touching is None else set(touching))
        return None if found is None else sorted(found), budget.complete

    def test_of_a_small_collection_all_at_once(self, filled: Gallery) -> None:
        assert self.searched(filled, None, images=3) == (None, True)

    def test_of_a_large_one_the_newest(self, filled: Gallery) -> None:
        assert self.searched(filled, None, images=2, searches=2) == (["b", "other"], False)

    def test_a_few_that_are_asked_for(self, filled: Gallery) -> None:
        assert self.searched(filled, "ab", searches=2) == (["a", "b"], True)

    def test_many_that_are_asked_for_are_found_all_at_once(self, filled: Gallery) -> None:
        assert self.searched(filled, "ab", searches=1) == (None, True)

    def test_many_in_a_large_collection(self, filled: Gallery) -> None:
        assert self.searched(filled, "ab", images=2, searches=1) == (["a"], False)

    def test_what_was_compared_is_subtracted(self, filled: Gallery) -> None:
        budget = Budget(comparisons=5)
        assert pairs(filled, budget=budget) == [("a", "b")]
        assert budget.comparisons < 5
        assert budget.complete
        budget = Budget(comparisons=0)
        assert pairs(filled, budget=budget) == []
        assert not budget.complete


def test_pairs_that_touch_none_of_the_ids_are_left_out(filled: Gallery) -> None:
    assert pairs(filled, touching=["b"]) == [("a", "b")]
    assert pairs(filled, touching=["other", "gone"]) == []
    # With so few searches, pairs of all are looked for.
    assert pairs(filled, touching=["other", "gone"], budget=Budget(searches=1)) == []


def test_where_pictures_lie_in_others(filled: Gallery) -> None:
    assert filled.find_placements("a", ["b", "other", "gone"]).keys() == {"b"}
    described = filled.describe_image(image(2), "")
    assert filled.find_placements_of(described, ["a", "other"]).keys() == {"other"}
    with pytest.raises(ImageMissing, match="holds no image 'gone'"):
        filled.find_placements("gone", ["a"])


def test_a_broken_picture_is_left_out_of_placements_and_has_none(filled: Gallery) -> None:
    IndexedImage.objects.filter(image_id="b").update(vector=b"broken")
    assert filled.find_placements("a", ["b"]) == {}
    for ask in (filled.read_description, lambda image_id: filled.find_placements(image_id, ["a"])):
        with pytest.raises(ImageMissing, match="'b'"):
            ask("b")
    assert filled.read_description("a").width == filled.describe_image(image(1), "a").width


def test_older_versions_are_outdated_and_newer_ones_are_not(filled: Gallery) -> None:
    assert list(filled.iterate_outdated_ids()) == []
    IndexedImage.objects.filter(image_id="a").update(version=describe.DESCRIPTION_VERSION - 1)
    IndexedImage.objects.filter(image_id="b").update(version=describe.DESCRIPTION_VERSION + 1)
    assert list(filled.iterate_outdated_ids()) == ["a"]
    assert filled.count_outdated() == 1
    filled.store.delete("a")
    assert filled.count_outdated() == 0


def test_images_without_an_embedding_of_the_model_are_outdated(filled: Gallery) -> None:
    seeing = Gallery("default", "shop", embedding=MeanColour())
    seeing.store.put([seeing.describe_image(image(1), "a")])
    assert sorted(seeing.iterate_outdated_ids()) == ["b", "other"]
    assert (seeing.count_outdated(), filled.count_outdated()) == (2, 0)
    assert ids(seeing.search(image(1), SearchOptions(kind="similar", limit=5))) == ["a", "b"]
    with pytest.raises(ImageMissing, match="another model"):
        seeing.search_by_id("b", SearchOptions(kind="similar", limit=5))


def test_only_with_a_model_is_a_lack_of_embeddings_counted(filled: Gallery) -> None:
    assert filled.count_without_embedding() == 0
    seeing = Gallery("default", "shop", embedding=MeanColour())
    new = seeing.describe_image(image(1), "a")
    seeing.store.put([new])
    assert seeing.count_without_embedding() == 0
