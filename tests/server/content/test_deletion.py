"""Deleting a collection while others use it, and what else may change between asking and acting."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone

from django_visualsnoop.engine.models import Collection, IndexedImage, NotDuplicate, VectorBlock
from django_visualsnoop.engine.replica import snapshots
from django_visualsnoop.server.content.deletion import delete_collection
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.not_duplicates import make_pair, mark_pair, unmark_pair
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import (
    HostedCollection,
    KeptGroup,
    Key,
    Metadata,
    MetadataValue,
    StoredPicture,
    StoredResponse,
)
from django_visualsnoop.server.pages.forms import CollectionForm
from django_visualsnoop.server.tenants.keys import revoke_key
from tests.collections.contract import image
from tests.engine.replica.test_snapshots import wait_for_snapshots
from tests.server.hosting import Tenant, call
from tests.server.serving import PATIENCE
from tests.server.v2 import ask, put

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db(transaction=True)

#: Whatever is kept of a collection.
TABLES = (
    *(IndexedImage, Collection, VectorBlock, HostedCollection, Key),
    *(Metadata, MetadataValue, NotDuplicate, KeptGroup, StoredPicture, StoredResponse),
)


@pytest.fixture(autouse=True)
def kept(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def left() -> dict[str, int]:
    counts = {table.__name__: table.objects.count() for table in TABLES}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("retention", ["nothing", "originals"])
def test_nothing_is_left_of_a_collection(
    ann: Tenant,
    retention: str,
    kept: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four programs write all the time while it is deleted."""
    monkeypatch.setattr(snapshots, "LEAST", 1)
    settings.VISUALSNOOP_SERVER = {"CACHE": str(tmp_path / "cache")}
    ann.limit(retention=retention)
    for name in ("a", "b"):
        put(ann, name, 1, sku=1)
    call(ann, "POST", "/image/c", image(3))
    call(ann, "POST", "/search", image(1))
    wait_for_snapshots()
    assert list((tmp_path / "cache").iterdir())
    ask(ann, "PUT", "/not-duplicates", data={"first_id": "a", "second_id": "b"})
    hosted, going = ann.collection, threading.Barrier(5)
    statuses: list[int] = []

    def write(number: int) -> None:
        try:
            going.wait(PATIENCE)
            for turn in range(100):
                path = f"/images/{number}-{turn}?metadata=%7B%22a%22:1%7D"
                statuses.append(ask(ann, "PUT", path, image(2)).status)
                statuses.append(ask(ann, "PUT", "/metadata/a", b'{"b":2}').status)
                if statuses[-1] in (401, 404):
                    return
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as programs:
        writing = [programs.submit(write, number) for number in range(4)]
        going.wait(PATIENCE)
        while len(statuses) < 6:
            assert not any(one.done() for one in writing), statuses
        delete_collection(hosted)
        for one in writing:
            one.result()
    assert left() == {}
    assert set(statuses) <= {200, 201, 401, 404}
    assert [path for path in kept.rglob("*") if path.is_file()] == []


def test_what_comes_after_the_deletion_is_refused(ann: Tenant, kept: Path) -> None:
    """The key was accepted, and the body read, while the collection was there."""
    ann.limit(retention="originals")
    put(ann, "a", 1)
    images = HostedImages(ann.collection)
    new = images.describe(image(2), "new")
    pair = make_pair("a", "b")
    delete_collection(ann.collection)
    delete_collection(images.collection)  # once more: nothing happens
    for late in (
        lambda: images.put(new, {"a": 1}),
        lambda: images.add(new),
        lambda: images.set_metadata("a", {"a": 1}),
        lambda: images.delete("a"),
        lambda: mark_pair(images, pair),
        lambda: unmark_pair(images, pair),
    ):
        with pytest.raises(Refused) as caught:
            late()
        assert caught.value.status == 404
    assert left() == {}
    assert [path for path in kept.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("change", ["revoke", "expire", "delete"])
def test_a_key_that_ends_during_a_request(
    ann: Tenant, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = HostedImages.describe

    def slowly(self: Any, *args: Any) -> Any:
        if change == "revoke":
            revoke_key(ann.public_key)
        elif change == "expire":
            ann.change_key(expires_at=timezone.now())
        else:
            Key.objects.all().delete()
        return described(self, *args)

    monkeypatch.setattr(HostedImages, "describe", slowly)
    assert ask(ann, "PUT", "/images/a", image(1)).status == 401
    assert IndexedImage.objects.count() == 0


def test_a_key_that_ends_during_a_request_of_api_v1(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = HostedImages.describe

    def slowly(self: Any, *args: Any) -> Any:
        revoke_key(ann.public_key)
        return described(self, *args)

    monkeypatch.setattr(HostedImages, "describe", slowly)
    assert call(ann, "POST", "/image/a", image(1)).status == 401
    assert IndexedImage.objects.count() == 0


def test_settings_bring_no_collection_back(ann: Tenant, client: Any) -> None:
    """And they overwrite nothing that the form does not show."""
    user = get_user_model().objects.get()
    client.force_login(user)
    path = f"/collections/{ann.collection_id}/settings/"
    fields = {"name": "New", "retention": "nothing", "min_similarity": ""}
    is_valid, change = CollectionForm.is_valid, {"max_images": 5}

    def meanwhile(form: Any) -> bool:
        valid = is_valid(form)
        ann.limit(**change) if change else delete_collection(ann.collection)
        return valid

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CollectionForm, "is_valid", meanwhile)
        assert client.post(path, fields).status_code == 302
        assert (ann.collection.name, ann.collection.max_images) == ("New", 5)
        change.clear()
        assert client.post(path, fields).status_code == 404
    assert left() == {}


def test_a_full_collection_stays_full_under_many_writers(ann: Tenant) -> None:
    ann.limit(max_images=3)

    def write(number: int) -> int:
        try:
            return ask(ann, "PUT", f"/images/{number}", image(1)).status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as programs:
        statuses = list(programs.map(write, range(8)))
    assert sorted(statuses) == [201] * 3 + [429] * 5
