"""The model of the package as the default of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop import checks
from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.collections import collections
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.embedding import hash_identity
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.lite0 import Lite0Embedding
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.sync.worker import sweep
from tests.checking import only
from tests.collections.contract import image
from tests.fixtures import product

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db(transaction=True)

SIMILAR = SearchOptions(kind="similar")


def test_images_are_described_by_it_and_found_by_how_likely_they_show_the_same() -> None:
    collection = LocalCollection("shop", {})
    for number in range(3):
        collection.add_image(image(number), str(number))
    row = IndexedImage.objects.get(image_id="1")
    assert row.embedding_model == hash_identity(Lite0Embedding())
    expected = Lite0Embedding().describe(decode(image(1)).pixels)
    assert bytes(row.embedding or b"") == expected.tobytes()
    found = collection.search_images(image(1), SIMILAR).matches
    assert (found[0].image_id, found[0].rank, found[0].relation) == ("1", 0, "copy")
    assert all((match.similarity or 0) >= 0.5 for match in found)
    every = collection.search_images(image(1), SearchOptions(kind="similar", min_similarity=0.0))
    assert sorted(match.image_id for match in every.matches) == ["0", "1", "2"]
    assert [match.relation for match in every.matches] == ["copy", "similar", "similar"]
    similarities = [match.similarity or 0 for match in every.matches]
    assert similarities == sorted(similarities, reverse=True)


def test_images_from_before_are_to_be_described_again() -> None:
    blind = LocalCollection("shop", {"OPTIONS": {"embedding": None}})
    for number in range(3):
        blind.add_image(image(number), str(number))
    collection = LocalCollection("shop", {})
    every = SearchOptions(kind="similar", min_similarity=0.0)
    found = collection.search_images(image(1), every).matches
    assert [match.relation for match in found] == ["copy"]
    with pytest.raises(NotFoundError, match="another model"):
        collection.search_images_by_id("0", every)
    assert sorted(collection.iter_outdated()) == ["0", "1", "2"]
    collection.add_image(image(1), "1", update_existing=True)  # as the sweeper does
    assert sorted(collection.iter_outdated()) == ["0", "2"]
    found = collection.search_images(image(0), every).matches
    assert [(match.image_id, match.relation) for match in found] == [
        ("0", "copy"),
        ("1", "similar"),
    ]
    assert list(blind.iter_outdated()) == []


def test_the_sweeper_describes_them_while_searches_go_on(settings: Settings, media: Path) -> None:
    for number in range(3):
        product(number)
    sweep(using="default")
    assert not IndexedImage.objects.exclude(embedding=None).exists()
    settings.VISUALSNOOP = {"default": {}, "archive": {"NAME": "archive"}}
    asked = SearchOptions(kind="similar", min_similarity=0.0)
    (copy,) = collections["default"].search_images(image(1), asked).matches
    for number in range(1, 4):
        assert sweep(using="default", limit=1).in_sync == 1
        described = set(
            IndexedImage.objects.exclude(embedding=None).values_list("image_id", flat=True)
        )
        assert len(described) == number
        found = collections["default"].search_images(image(1), asked).matches
        assert {match.image_id for match in found} == {copy.image_id, *described}
    assert sweep(using="default").worked_on == 0


@pytest.mark.shared_photos
def test_nothing_looks_similar_to_what_is_of_another_kind(shared: Path) -> None:
    def read(name: str) -> bytes:
        (path,) = (shared / "photos").glob(f"{name}*")
        return path.read_bytes()

    collection = LocalCollection("shop", {})
    for name in ("n01484850", "n01491361", "n01685808"):  # two sharks, a lizard
        collection.add_image(read(name), name)
    found = collection.search_images_by_id("n01484850", SIMILAR).matches
    assert [match.image_id for match in found] == ["n01491361"]
    assert collection.search_images_by_id("n01685808", SIMILAR).matches == []


def test_checks_do_not_run_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise AssertionError

    monkeypatch.setattr(Lite0Embedding, "describe", fail)
    for options in ({}, {"embedding": Lite0Embedding()}, {"embedding": None}):
        settings.VISUALSNOOP = {"default": {"OPTIONS": options}}
        assert checks.check_collections() == []


def test_e012_if_it_is_to_be_run_by_what_is_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": Lite0Embedding("onnxruntime")}}}
    assert checks.check_collections() == []

    def found(name: str) -> object:
        return None if name == "onnxruntime" else object()

    monkeypatch.setattr("importlib.util.find_spec", found)
    only(checks.check_collections(), "visualsnoop.E012")
    settings.VISUALSNOOP = {"default": {}}
    assert checks.check_collections() == []


def test_describing_may_take_a_little_longer() -> None:
    blind = LocalCollection("shop", {"OPTIONS": {"embedding": None}})
    own = LocalCollection("shop", {"OPTIONS": {"embedding": "tests.embeddings.MEAN_COLOUR"}})
    assert blind.longest_call < LocalCollection("shop", {}).longest_call < own.longest_call
