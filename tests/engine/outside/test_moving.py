"""A collection moves to PostgreSQL, to Milvus and back, while images are saved and searched."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from django_visualsnoop.client.exceptions import ConflictError
from django_visualsnoop.collections import collections
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.common.search_options import SIMILAR, SearchOptions
from django_visualsnoop.engine.models import IndexedImage
from tests.collections.contract import image
from tests.engine.index.milvus.server import TOKEN
from tests.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker
    from pytest_django.fixtures import Settings

pytestmark = [pytest.mark.service("pgvector"), pytest.mark.service("milvus")]

SCENES = 6


class Shop:
    """A collection in a database with pgvector, and a Milvus server beside it."""

    def __init__(self, settings: Settings, database: str, milvus: dict[str, Any]) -> None:
        self._settings, self.database, self._milvus = settings, database, milvus
        self.use("memory")

    def use(self, index: str) -> None:
        """Change the setting, as a deployment does: an index in use keeps its options."""
        options = {"database": self.database, "milvus": self._milvus, "pgvector": {}}
        self._settings.VISUALSNOOP = {"shop": {"OPTIONS": {"index": index, **options}}}

    @property
    def collection(self) -> LocalCollection:
        found = collections["shop"]
        assert isinstance(found, LocalCollection)
        return found

    def find_copies(self, scene: int) -> set[str]:
        matches = self.collection.search_images(image(scene)).matches
        return {match.image_id for match in matches if match.rank == 0}


@pytest.fixture
def shop(
    settings: Settings,
    database: str,
    milvus_uri: str,
    milvus_prefix: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Shop]:
    with django_db_blocker.unblock():
        call_command("migrate", "visualsnoop_engine", database=database, verbosity=0)
        yield Shop(settings, database, {"uri": milvus_uri, "token": TOKEN, "prefix": milvus_prefix})
        LocalCollection("shop", settings.VISUALSNOOP["shop"])._gallery.store.drop()


class Traffic:
    """Images are added, replaced and deleted, and searched, until told to stop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._stop = threading.Event()
        self.rounds = 0
        self.wrong: list[object] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._go_round()
        except Exception as error:  # noqa: BLE001 -- the test shows it
            self.wrong.append(error)
        finally:
            connections.close_all()

    def _go_round(self) -> None:
        self.rounds += 1
        collection, scene = self._shop.collection, self.rounds % SCENES
        new, fixed = f"new {self.rounds}", {f"{scene}", f"copy of {scene}"}
        collection.add_image(image(scene), new)
        self._expect(scene, fixed | {new})
        collection.add_image(image(SCENES + 1), new, update_existing=True)
        self._expect(scene, fixed)
        self._expect(SCENES + 1, {new})
        if self.rounds % 3:
            collection.delete_image(new)
        else:
            collection.add_image(image(SCENES + 2), new, update_existing=True)

    def _expect(self, scene: int, expected: set[str]) -> None:
        if (found := self._shop.find_copies(scene)) != expected:
            self.wrong.append((self.rounds, scene, found, expected))


def test_a_collection_moves_there_and_back(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_visualsnoop.engine.outside.indexes.FEW", 0)
    monkeypatch.setattr("django_visualsnoop.engine.outside.feed.PORTION", 3)
    monkeypatch.setattr("django_visualsnoop.engine.outside.moving.GRACE_SECONDS", 0.1)
    for scene in range(SCENES):
        shop.collection.add_image(image(scene), f"{scene}")
        shop.collection.add_image(image(scene), f"copy of {scene}")
    with Traffic(shop) as traffic:
        for name in ("pgvector", "milvus", "memory"):
            before = traffic.rounds
            in_thread(partial(call_command, "visualsnoop_move_index", "shop", to=name))
            shop.use(name)
            while traffic.rounds < before + 4 and not traffic.wrong:
                threading.Event().wait(0.05)
    assert traffic.wrong == []
    assert "Searches use" in capsys.readouterr().out
    rows = IndexedImage.objects.using(shop.database).filter(deleted__isnull=True)
    living = rows.count()
    assert living > 2 * SCENES
    for name in ("pgvector", "milvus"):
        index = shop.collection._outside.get_index(name)
        assert index.count(rows.values_list("collection_id", flat=True)[0]) == living
        call_command("visualsnoop_move_index", "shop", to=name)
        assert "; 0 were mended." in capsys.readouterr().out
    call_command("visualsnoop_move_index", "shop", status=True)
    assert f"pgvector: {living} images, complete" in capsys.readouterr().out
    for name in ("pgvector", "milvus"):
        call_command("visualsnoop_move_index", "shop", drop=name)
    assert shop.collection.list_indexes() == []


@pytest.mark.parametrize("name", ["pgvector", "milvus"])
def test_searches_find_what_memory_finds(shop: Shop, name: str) -> None:
    for scene in range(SCENES):
        shop.collection.add_image(image(scene), f"{scene}")
        shop.collection.add_image(image(scene), f"copy of {scene}")
    similar = SearchOptions(kind=SIMILAR, min_similarity=0.0)

    def search_all() -> list[object]:
        collection = shop.collection
        by_id = [collection.search_images_by_id(f"{scene}").matches for scene in range(SCENES)]
        looks = [collection.search_images(image(scene), similar).matches for scene in range(3)]
        few = SearchOptions(allowed={"1", "copy of 2", "3"})
        return [by_id, looks, collection.search_images(image(2), few).matches]

    expected = search_all()
    shop.use(name)
    shop.collection.move_index(name)
    assert search_all() == expected


def test_the_index_in_use_is_not_dropped(shop: Shop) -> None:
    shop.use("pgvector")
    with pytest.raises(CommandError, match=r'First set VISUALSNOOP\["shop"\]\["OPTIONS"\]'):
        call_command("visualsnoop_move_index", "shop", drop="pgvector")


def test_adding_twice_is_refused_as_in_memory(shop: Shop) -> None:
    shop.use("pgvector")
    shop.collection.add_image(image(1), "a")
    with pytest.raises(ConflictError):
        shop.collection.add_image(image(1), "a")
