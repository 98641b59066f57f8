"""What a review deletes can be restored for a while, whoever else is at work."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.server.content import metadata, not_duplicates, pictures
from django_visualsnoop.server.content.deletion import delete_collection
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.removals import CannotRestore, get_removals, restore
from django_visualsnoop.server.content.review import GroupChanged, decide
from django_visualsnoop.server.models import KeptGroup, Removal, StoredPicture
from tests.collections.contract import image
from tests.server.serving import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from tests.server.hosting import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def images(ann: Tenant) -> HostedImages:
    """Five equal images, with their originals, metadata, and one pair that is no duplicate."""
    ann.limit(retention="originals")
    images = HostedImages(ann.collection)
    for name in "abcde":
        images.add(images.describe(image(1), name), {"sku": name})
    not_duplicates.mark_pair(images, not_duplicates.make_pair("d", "e"))
    return images


def shown(images: HostedImages) -> dict[str, str]:
    """Return what somebody sees: the digests by id."""
    found = images.store.read_details(images.store.iterate_ids())
    return {image_id: one.digest for image_id, one in sorted(found.items())}


def look(images: HostedImages) -> Any:
    """Return all that there is of the images."""
    columns = ("image_id", "image_time", "vector", "version", "digest", "width", "height")
    more = ("thumbnail", "capture", "embedding", "embedding_model", "embedding_digest")
    rows = IndexedImage.objects.filter(deleted=None).order_by("image_id")
    return (
        [
            [bytes(value) if isinstance(value, memoryview) else value for value in row]
            for row in rows.values_list(*columns, *more)
        ],
        metadata.read_metadata(images.collection.pk, "abcde"),
        set(not_duplicates.list_pairs(images)),
        {
            (one.pk, one.key, one.kind)
            for one in pictures.get_pictures_of(images.collection, "abcde")
        },
        set(KeptGroup.objects.values_list("fingerprint")),
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_all_is_as_it_was(images: HostedImages, folder: Path) -> None:
    before = look(images)
    decide(images, shown(images), remove=["a", "d"], apart=["b"], keep_rest=True)
    assert list(shown(images)) == ["b", "c", "e"]
    assert StoredPicture.objects.filter(removal=None).count() == 6
    assert pictures.get_newest(images.collection, "a", "original") is None
    assert len(files(folder)) == 10
    call_command("visualsnoop_sweeppictures", stdout=io.StringIO())
    (removal,) = get_removals(images.collection)
    assert restore(images, removal.pk) == ["a", "d"]
    assert look(images) == before
    assert not Removal.objects.exists()
    call_command("visualsnoop_sweeppictures", stdout=io.StringIO())
    assert len(files(folder)) == 10


def test_later_it_is_gone(images: HostedImages, folder: Path) -> None:
    decide(images, shown(images), remove=["a", "b"])
    removal = Removal.objects.get()
    Removal.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(CannotRestore, match="cannot be restored any more"):
        restore(images, removal.pk)
    output = io.StringIO()
    call_command("visualsnoop_sweeppictures", stdout=output)
    assert "restored: 2." in output.getvalue()
    assert len(files(folder)) == 6
    assert not Removal.objects.exists()


def test_no_undo(images: HostedImages, folder: Path, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"UNDO_DAYS": 0}
    decide(images, shown(images), remove=["a"])
    assert not Removal.objects.exists()
    assert len(files(folder)) == 8


def test_an_id_that_is_in_use_again(images: HostedImages) -> None:
    decide(images, shown(images), remove=["a", "b"])
    images.add(images.describe(image(2), "b"))
    with pytest.raises(CannotRestore, match="a new image with the id b"):
        restore(images, Removal.objects.get().pk)
    assert list(shown(images)) == ["b", "c", "d", "e"]


def test_what_the_owner_no_longer_retains(images: HostedImages, folder: Path) -> None:
    decide(images, shown(images), remove=["a"])
    images.collection.retention = "nothing"
    images.collection.save()
    pictures.sweep_files()
    assert files(folder) == []
    restore(images, Removal.objects.get().pk)
    assert list(shown(images)) == list("abcde")


def test_nothing_is_left_of_a_collection(images: HostedImages, folder: Path) -> None:
    decide(images, shown(images), remove=["a"])
    delete_collection(images.collection)
    assert files(folder) == []
    assert not Removal.objects.exists()
    assert not StoredPicture.objects.exists()


def at_once(*actions: Callable[[], object]) -> list[object]:
    """Run actions in threads at once; return what each returned or raised."""
    going = Barrier(len(actions))

    def run(action: Callable[[], object]) -> object:
        try:
            going.wait(PATIENCE)
            return action()
        except (GroupChanged, CannotRestore) as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(actions)) as threads:
        return [one.result() for one in [threads.submit(run, action) for action in actions]]


def test_two_reviewers_keep_different_images(images: HostedImages) -> None:
    """Each would delete what the other one keeps: only one of them may."""
    for _ in range(5):
        seen = shown(images)

        def keep(name: str, seen: dict[str, str] = seen) -> None:
            others = [one for one in seen if one != name]
            decide(HostedImages(images.collection), seen, remove=others)

        outcomes = at_once(lambda: keep("a"), lambda: keep("b"))
        assert sorted(type(one).__name__ for one in outcomes) == ["GroupChanged", "NoneType"]
        assert list(shown(images)) in (["a"], ["b"])
        assert Removal.objects.count() == 1
        key = Removal.objects.get().pk

        def undo(key: int = key) -> list[str]:
            return restore(HostedImages(images.collection), key)

        restored = at_once(undo, undo)
        assert sum(isinstance(one, CannotRestore) for one in restored) == 1
        assert shown(images) == seen
        assert StoredPicture.objects.filter(removal=None).count() == 10
