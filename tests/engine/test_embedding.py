"""What is similar by a model: true answers, and their cost."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import transaction

from django_visualsnoop.client.exceptions import NotFoundError
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.embedding import cosine_to_rank, hash_identity
from django_visualsnoop.engine.models import IndexedImage, key_of
from django_visualsnoop.engine.replica import held
from django_visualsnoop.engine.storage.times import read_clock
from tests.collections.contract import image
from tests.embeddings import BLUE, GREEN, ORANGE, RED, MeanColour, colour_model, plain

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import DjangoAssertNumQueries

    from django_visualsnoop.engine.onnx import OnnxEmbedding

committing = pytest.mark.django_db(transaction=True)

COLOURS = {"red": RED, "orange": ORANGE, "green": GREEN, "blue": BLUE}


@pytest.fixture
def model(tmp_path: Path) -> OnnxEmbedding:
    return colour_model(tmp_path)


@pytest.fixture
def collection(model: OnnxEmbedding) -> LocalCollection:
    return LocalCollection("shop", {"OPTIONS": {"embedding": model}})


@pytest.fixture
def blind() -> LocalCollection:
    """The same images, without the model."""
    return LocalCollection("shop", {"OPTIONS": {"embedding": None}})


def add(collection: LocalCollection, *names: str) -> None:
    for name in names or COLOURS:
        collection.add_image(plain(COLOURS[name]), name, update_existing=True)


def similar(collection: LocalCollection, colour: str = "red", **options: Any) -> list[str]:
    found = collection.search_images(
        plain(COLOURS[colour]), SearchOptions(kind="similar", **options)
    )
    return [match.image_id for match in found.matches]


def replace_as_an_older_release_does(image_id: str, other: LocalCollection, content: bytes) -> None:
    """Write what processes wrote before there were embeddings."""
    other.add_image(content, "picture of the other", update_existing=True)
    row = IndexedImage.objects.get(image_id="picture of the other")
    IndexedImage.objects.filter(image_id=image_id).update(
        image_time=read_clock(),
        seq=None,
        vector=bytes(row.vector),
        version=row.version,
        digest=row.digest,
    )


@committing
def test_the_model_ranks_by_its_cosines(collection: LocalCollection) -> None:
    assert collection.search_images(plain(RED), SearchOptions(kind="similar")).matches == []
    add(collection)
    found = collection.search_images(plain(RED), SearchOptions(kind="similar")).matches
    assert [(match.image_id, match.rank, match.similarity) for match in found] == [
        ("red", 0, pytest.approx(1.0)),
        ("orange", 4835, pytest.approx(0.8165, abs=1e-4)),
        ("blue", 16333, 0.0),
        ("green", 16333, 0.0),
    ]
    found = collection.search_images_by_id("orange", SearchOptions(kind="similar")).matches
    assert [match.image_id for match in found] == ["red", "green", "blue"]
    assert similar(collection, limit=2) == ["red", "orange"]
    assert similar(collection, min_similarity=0.5) == ["red", "orange"]
    assert similar(collection, min_similarity=0.0) == ["red", "orange", "blue", "green"]
    assert similar(collection, limit=1, allowed={"blue", "green"}) == ["blue"]


@committing
def test_without_a_model_only_copies_are_similar(blind: LocalCollection) -> None:
    assert blind.search_images(image(1), SearchOptions(kind="similar")).matches == []
    for number in range(5):
        blind.add_image(image(number), str(number))
    blind.add_image(image(1), "copy")
    found = blind.search_images(image(1), SearchOptions(kind="similar")).matches
    assert [(match.image_id, match.rank) for match in found] == [("1", 0), ("copy", 0)]
    by_id = blind.search_images_by_id("1", SearchOptions(kind="similar")).matches
    assert [match.image_id for match in by_id] == ["copy"]


def test_ranks_never_rise_with_the_cosine() -> None:
    cosines = [number / 1000 for number in range(-1000, 1001)]
    ranks = [cosine_to_rank(cosine) for cosine in cosines]
    assert ranks == sorted(ranks, reverse=True)
    assert (ranks[0], ranks[1000], ranks[-1]) == (20_000, 10_000, 0)
    assert cosine_to_rank(1.0000001) == 0


@committing
def test_what_changes_is_seen_at_once(collection: LocalCollection) -> None:
    add(collection)
    assert similar(collection)[0] == "red"
    collection.add_image(plain(RED), "blue", update_existing=True)
    collection.delete_image("red")
    assert similar(collection, limit=2) == ["blue", "orange"]
    assert IndexedImage.objects.filter(deleted=None).count() == 3
    tombstone = IndexedImage.objects.get(image_id="red")
    assert (tombstone.embedding, tombstone.embedding_model, tombstone.embedding_digest) == (
        None,
        "",
        "",
    )
    collection.add_image(plain(RED), "red")
    assert similar(collection, limit=2) == ["blue", "red"]


@committing
def test_a_rollback_leaves_no_phantom(collection: LocalCollection) -> None:
    add(collection, "red", "green")
    similar(collection)
    with transaction.atomic():
        add(collection, "orange")
        collection.delete_image("red")
        assert similar(collection) == ["orange", "green"]
        found = collection.search_images_by_id("orange", SearchOptions(kind="similar")).matches
        assert [match.image_id for match in found] == ["green"]
        transaction.set_rollback(True)
    assert similar(collection) == ["red", "green"]
    with pytest.raises(NotFoundError):
        collection.search_images_by_id("orange", SearchOptions(kind="similar"))


@committing
def test_vectors_of_two_models_never_meet(
    collection: LocalCollection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(collection, "red", "green")
    other = LocalCollection(
        "shop", {"OPTIONS": {"embedding": colour_model(tmp_path, "other", weight=2.0)}}
    )
    with caplog.at_level(logging.WARNING):
        assert similar(other) == ["red"]  # a copy
    assert "2 images without an embedding of its model" in caplog.text
    with pytest.raises(NotFoundError, match=r"another model or version\. Add it again"):
        other.search_images_by_id("red", SearchOptions(kind="similar"))
    assert [match.image_id for match in other.search_images(plain(RED)).matches] == ["red"]
    add(other, "red")
    assert similar(other) == ["red"]
    assert similar(collection, "blue") == ["green"]
    assert list(other.iter_outdated()) == ["green"]
    assert list(collection.iter_outdated()) == ["red"]


@committing
def test_the_embedding_of_a_picture_that_an_older_release_replaced_is_not_used(
    collection: LocalCollection, blind: LocalCollection
) -> None:
    add(collection, "red", "green")
    other = LocalCollection("other", {"OPTIONS": {"embedding": None}})
    replace_as_an_older_release_does("red", other, plain(BLUE))
    assert similar(collection) == ["green"]
    assert [match.image_id for match in blind.search_images(plain(BLUE)).matches] == ["red"]
    assert list(collection.iter_outdated()) == ["red"]
    collection.add_image(plain(BLUE), "red", update_existing=True)
    assert similar(collection, "blue") == ["red", "green"]
    assert list(collection.iter_outdated()) == []
    replace_as_an_older_release_does("red", other, plain(BLUE))
    assert similar(collection, "blue") == ["red", "green"]  # the same file looks the same
    assert list(collection.iter_outdated()) == []


@committing
def test_a_process_without_the_model_leaves_no_embedding_behind(
    collection: LocalCollection, blind: LocalCollection
) -> None:
    add(collection, "red", "green")
    add(blind, "red")
    assert similar(collection, "blue") == ["green"]
    assert list(collection.iter_outdated()) == ["red"]
    assert list(blind.iter_outdated()) == []


@committing
def test_embeddings_are_neither_read_nor_held_before_somebody_asks_for_them(
    collection: LocalCollection,
) -> None:
    held._replicas.clear()
    add(collection)
    collection.search_images(plain(RED))
    here = ("default", key_of("shop"))
    assert [place for place in held._replicas if place[:2] == here] == [(*here, "")]
    similar(collection)
    assert len([place for place in held._replicas if place[:2] == here]) == 2


@committing
def test_queries(
    collection: LocalCollection, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        similar(collection)
    list(collection.add_images((str(number), plain(RED)) for number in range(30)))
    # What is new, for copies and for similar images; and the candidates.
    with django_assert_num_queries(5) as captured:
        assert len(similar(collection)) == 30
    embeddings = captured[-2]["sql"].replace("`", '"')
    assert '"looks"' in embeddings
    assert '"vector"' not in embeddings
    with django_assert_num_queries(3):
        similar(collection)
    with django_assert_num_queries(3):
        collection.search_images_by_id("1", SearchOptions(kind="similar"))
    with django_assert_num_queries(describe.DESCRIPTION_VERSION - 1 + 3):
        assert list(collection.iter_outdated()) == []


@pytest.mark.django_db
def test_outdated_ones_are_found_whatever_their_model_was_called(
    collection: LocalCollection, model: OnnxEmbedding
) -> None:
    add(collection)
    for name, embedding_model in zip(COLOURS, ("", "0", hash_identity(model), "g"), strict=True):
        IndexedImage.objects.filter(image_id=name).update(embedding_model=embedding_model)
    assert sorted(collection.iter_outdated()) == ["blue", "orange", "red"]
    IndexedImage.objects.update(version=99)  # of a newer release, whose processes see to them
    assert list(collection.iter_outdated()) == []


@committing
def test_broken_embeddings_are_skipped_and_logged(
    collection: LocalCollection, caplog: pytest.LogCaptureFixture
) -> None:
    add(collection, "red", "green")
    similar(collection)
    add(collection, "orange")
    IndexedImage.objects.filter(image_id="orange").update(embedding=b"short of it")
    with caplog.at_level(logging.WARNING):
        assert similar(collection) == ["red", "green"]
    assert "1 broken" in caplog.text


@committing
def test_many_rows_in_many_segments(collection: LocalCollection) -> None:
    names = [f"{number:02}" for number in range(20)]
    for number, name in enumerate(names):
        colour = (255, 12 * number, 0)
        collection.add_image(plain(colour), name)
        assert similar(collection) == names[: number + 1]
    for name in names[::2]:
        collection.delete_image(name)
    assert similar(collection) == names[1::2]


@pytest.mark.django_db
def test_a_model_that_fails_blocks_no_copies(
    caplog: pytest.LogCaptureFixture, model: OnnxEmbedding
) -> None:
    wrong = LocalCollection("shop", {"OPTIONS": {"embedding": replace(model, size=9)}})
    assert wrong.add_image(image(1), "one").created
    assert all(result.created for _, result in wrong.add_images([("two", image(1))]))  # type: ignore[union-attr]
    found = wrong.search_images_by_id("one").matches
    assert [match.image_id for match in found] == ["two"]
    assert "not compute the embedding of one" in caplog.text
    assert "does not accept 1 x 3 x 9 x 9 values" in caplog.text
    assert wrong.count_without_embedding() == 2
    # Nobody is kept busy by what fails again.
    assert list(wrong.iter_outdated()) == []
    # Another model is another matter.
    right = LocalCollection("shop", {"OPTIONS": {"embedding": model}})
    assert sorted(right.iter_outdated()) == ["one", "two"]
    right.add_image(image(1), "one", update_existing=True)
    assert right.count_without_embedding() == 0
    assert list(right.iter_outdated()) == ["two"]


@pytest.mark.django_db
def test_a_model_that_is_gone_blocks_no_copies_and_may_come_back(
    caplog: pytest.LogCaptureFixture, model: OnnxEmbedding, tmp_path: Path
) -> None:
    gone = LocalCollection(
        "shop", {"OPTIONS": {"embedding": replace(model, path=tmp_path / "gone")}}
    )
    assert gone.add_image(image(1), "one").created
    assert "cannot be read" in caplog.text
    back = LocalCollection("shop", {"OPTIONS": {"embedding": model}})
    assert list(back.iter_outdated()) == ["one"]


@pytest.mark.django_db
def test_a_time_limit_is_not_taken_for_an_error_of_the_model() -> None:
    class Slow(MeanColour):
        def describe(self, pixels: Any) -> Any:
            raise SoftTimeLimitExceeded

    slow = LocalCollection("shop", {"OPTIONS": {"embedding": Slow()}})
    with pytest.raises(SoftTimeLimitExceeded):
        slow.add_image(image(1), "one")
    assert slow.get_images().images == []


@committing
def test_a_model_of_the_projects_own() -> None:
    collection = LocalCollection("shop", {"OPTIONS": {"embedding": "tests.embeddings.MEAN_COLOUR"}})
    add(collection)
    assert similar(collection)[:2] == ["red", "orange"]
