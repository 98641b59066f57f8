from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from PIL import Image

from django_visualsnoop.client.exceptions import ImageRefusedError
from django_visualsnoop.collections import local
from django_visualsnoop.collections.base import DEFAULT_MAX_BYTES
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.images import decode
from django_visualsnoop.testing.contract import CollectionContract
from tests.collections.contract import image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

    from django_visualsnoop.engine.descriptors.describe import Descriptor
    from django_visualsnoop.engine.images.decode import Pixels


@pytest.fixture
def collection(db: None) -> LocalCollection:
    return LocalCollection("default", {"NAME": "default", "OPTIONS": {}})


class TestLocalCollection(CollectionContract):
    """Inside of a transaction, as a TestCase of a project is."""


@pytest.mark.django_db(transaction=True)
class TestLocalCollectionCommitting(CollectionContract):
    """With every write committed, as a project is in production."""


OPTIONS = 'VISUALSNOOP["shop"]["OPTIONS"]'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treshold": 1}, f"{OPTIONS} has an unknown option 'treshold'. Valid options: cache"),
        ({"database": 1}, f'{OPTIONS}["database"] must be an alias of DATABASES, not 1.'),
        (
            {"min_similarity": 1.5},
            f'{OPTIONS}["min_similarity"] must be a number from 0 to 1, not 1.5',
        ),
        ({"early": "no"}, f"{OPTIONS}[\"early\"] must be True or False, not 'no'."),
        (
            {"capture_times": 1},
            f'{OPTIONS}["capture_times"] must be True or False, not 1.',
        ),
        ({"max_bytes": 0}, f'{OPTIONS}["max_bytes"] must be a positive integer, not 0'),
        (
            {"max_pixels": "many"},
            f"{OPTIONS}[\"max_pixels\"] must be a positive integer, not 'many'",
        ),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        LocalCollection("shop", {"OPTIONS": options})
    assert message in str(caught.value)


def test_making_one_touches_no_database() -> None:
    LocalCollection("shop", {"OPTIONS": {"database": "nowhere"}})


def test_the_engine_must_be_installed(settings: Settings) -> None:
    settings.INSTALLED_APPS = ["django_visualsnoop"]
    with pytest.raises(ImproperlyConfigured, match=r'Add "django_visualsnoop\.engine"'):
        LocalCollection("shop", {})


def test_opencv_may_be_in_the_middle_of_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    # This is what other threads see then: its package puts its library in its own place.
    unfinished = ModuleType("cv2")
    assert unfinished.__spec__ is None
    monkeypatch.setitem(sys.modules, "cv2", unfinished)
    assert not LocalCollection.check("shop", {})
    LocalCollection("shop", {})


@pytest.mark.parametrize("missing", ["PIL", "numpy", "cv2"])
def test_without_the_extra_all_but_the_collection_works(missing: str, tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
import django
django.setup()
import django_visualsnoop.engine.models
import django_visualsnoop.engine.migrations
import importlib
importlib.import_module("django_visualsnoop.engine.migrations.0001_initial")
from django_visualsnoop.collections import collections
from django_visualsnoop.exceptions import MissingExtra
try:
    collections["default"]
except MissingExtra as error:
    print(error)
"""
    settings = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django_visualsnoop.engine"]
"""
    (tmp_path / "bare_settings.py").write_text(settings)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bare_settings",
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'pip install "django-visualsnoop[engine]"' in done.stdout, done.stderr


@pytest.mark.django_db(databases=["default", "other"])
def test_collections_of_other_names_and_databases_are_apart() -> None:
    made = [
        LocalCollection("one", {"NAME": "shop"}),
        LocalCollection("two", {"NAME": "Shop"}),
        LocalCollection("three", {"NAME": "shop", "OPTIONS": {"database": "other"}}),
    ]
    for collection in made:
        collection.add_image(image(1), collection.alias)
    for collection in made:
        found = collection.search_images(image(1)).matches
        assert [match.image_id for match in found] == [collection.alias]
    assert [
        match.image_id for match in LocalCollection("shop", {}).search_images(image(1)).matches
    ] == ["one"]


@pytest.mark.django_db
def test_the_collection_has_its_own_threshold() -> None:
    LocalCollection("shop", {}).add_image(image(1), "a")
    picky = LocalCollection("shop", {"OPTIONS": {"min_similarity": 1.0}})
    all_alike = LocalCollection("shop", {"OPTIONS": {"min_similarity": 0}})
    assert picky.search_images(image(2)).matches == []
    assert [match.image_id for match in all_alike.search_images(image(2)).matches] == ["a"]
    assert picky.search_images(image(2), SearchOptions(min_similarity=0)).matches != []


@pytest.mark.parametrize(
    ("options", "content", "reason", "status"),
    [
        ({}, b"", "empty", 400),
        ({}, image(1)[:500], "undecodable", 400),
        ({}, b"a text", "unsupported", 415),
        ({"max_bytes": 100}, image(1), "too_large", 413),
        ({"max_pixels": 100}, image(1), "too_large", 413),
    ],
)
def test_refusals(options: dict[str, int], content: bytes, reason: str, status: int) -> None:
    collection = LocalCollection("shop", {"OPTIONS": options})
    for call in (collection.add_image, collection.search_images):
        with pytest.raises(ImageRefusedError) as caught:
            call(content)
        assert (caught.value.reason, caught.value.status) == (reason, status)


@pytest.mark.django_db
def test_a_file_of_as_many_bytes_as_are_allowed() -> None:
    content = image(1)
    LocalCollection("shop", {"OPTIONS": {"max_bytes": len(content)}}).add_image(content, "a")
    fewer = LocalCollection("shop", {"OPTIONS": {"max_bytes": len(content) - 1}})
    with pytest.raises(ImageRefusedError, match=f"{len(content):,} bytes; at most"):
        fewer.search_images(content)


@pytest.mark.django_db(transaction=True)
def test_pictures_are_described_outside_of_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = []

    def spy(pixels: Pixels, digest: bytes) -> Descriptor:
        inside.append(connection.in_atomic_block)
        return described(pixels, digest)

    described = describe.describe
    monkeypatch.setattr(describe, "describe", spy)
    collection = LocalCollection("shop", {})
    collection.add_image(image(1), "a")
    list(collection.add_images([("b", image(1)), ("c", image(2))]))
    assert inside == [False] * 3


@pytest.mark.django_db(transaction=True)
def test_adding_many_takes_few_statements(
    django_assert_max_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "BULK_SECONDS", float("inf"))  # however slow the machine
    collection = LocalCollection("shop", {})
    collection.add_image(image(1), "first")
    opened = 0

    def items() -> Iterator[tuple[str, bytes]]:
        nonlocal opened
        for number in range(collection.bulk_size):
            opened += 1
            yield str(number), image(1)

    for _ in ("added", "updated"):
        with django_assert_max_num_queries(12):
            outcomes = list(collection.add_images(items()))
        assert len(outcomes) == collection.bulk_size
    with django_assert_max_num_queries(12):
        collection.add_image(image(1), "single")
    with django_assert_max_num_queries(10):
        collection.delete_image("single")


@pytest.mark.django_db
def test_an_id_twice_in_one_bulk_keeps_the_last() -> None:
    collection = LocalCollection("shop", {})
    outcomes = list(collection.add_images([("a", image(1)), ("b", image(3)), ("a", image(2))]))
    assert [image_id for image_id, _ in outcomes] == ["a", "b", "a"]
    assert [match.image_id for match in collection.search_images(image(2)).matches] == ["a"]
    assert collection.search_images(image(1)).matches == []


@pytest.mark.django_db
@pytest.mark.parametrize("touching", [None, ["a", "b", "unknown"], ["c"], []])
def test_pairs_touching(touching: list[str] | None) -> None:
    collection = LocalCollection("shop", {})
    for image_id, scene in zip("abcde", [1, 1, 1, 2, 2], strict=True):
        collection.add_image(image(scene), image_id)
    found = sorted(
        (pair.first_id, pair.second_id) for pair in collection.iter_pairs(touching=touching)
    )
    every = [("a", "b"), ("a", "c"), ("b", "c"), ("d", "e")]
    assert found == [pair for pair in every if touching is None or set(pair) & set(touching)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("budget", "touching", "found"),
    [
        (Budget(), None, 4),
        (Budget(comparisons=0), None, 0),
        (Budget(comparisons=0), ["a"], 0),
        (Budget(searches=1), None, 4),  # all at once
        (Budget(searches=1), ["d", "a"], 3),  # all at once, too
        (Budget(images=4, searches=1), ["d", "a"], 2),  # those of "a"
        (Budget(images=4, searches=1), None, 1),  # those of "e", the newest
        (Budget(images=4, searches=0), None, 0),
        (Budget(images=5), None, 4),
    ],
)
def test_pairs_take_no_more_work_than_they_may(
    budget: Budget, touching: list[str] | None, found: int
) -> None:
    collection = LocalCollection("shop", {})
    for image_id, scene in zip("abcde", [1, 1, 1, 2, 2], strict=True):
        collection.add_image(image(scene), image_id)
    enough = found > 2
    assert len(list(collection.iter_pairs(touching=touching, budget=budget))) == found
    assert budget.complete is enough
    assert budget.comparisons >= 0
    assert budget.searches >= 0


@pytest.mark.django_db
def test_one_limit_of_bytes_holds_for_files_and_for_what_is_added_by_hand() -> None:
    assert LocalCollection("shop", {}).max_bytes == DEFAULT_MAX_BYTES == decode.DEFAULT_MAX_BYTES
    content = image(1)
    collection = LocalCollection("shop", {"OPTIONS": {"max_bytes": len(content)}})
    assert collection.max_bytes == len(content)
    assert collection.add_image(content, "just small enough")
    collection = LocalCollection("shop", {"OPTIONS": {"max_bytes": len(content) - 1}})
    with pytest.raises(ImageRefusedError, match=f"{len(content):,} bytes"):
        collection.add_image(content, "too large")


def test_files_are_compared_without_being_added(collection: LocalCollection) -> None:
    other = io.BytesIO()
    Image.open(io.BytesIO(image(1))).save(other, "JPEG")
    files = [image(1), b"no picture", image(2), other.getvalue()]
    assert list(collection.compare_files(image(1), files)) == [True, False, False, True]
    with pytest.raises(ImageRefusedError):
        next(collection.compare_files(b"no picture", files))
