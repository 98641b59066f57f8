from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.models import Collection, IndexedImage, VectorBlock
from django_visualsnoop.server.content.pictures import get_storage
from django_visualsnoop.server.models import HostedCollection, Key, Retention, StoredPicture
from django_visualsnoop.server.tenants.keys import make_key
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


def test_from_none_to_one(ann: Person) -> None:
    assert "You have no collection yet" in ann.get("collections").text
    answer = ann.post("new_collection", name="Holidays", retention="thumbnails")
    made = HostedCollection.objects.get()
    assert (made.owner, made.name, made.retention) == (ann.user, "Holidays", "thumbnails")
    assert made.pk in answer.url
    add(made, "beach", image(1))
    listed = ann.get("collections").text
    assert "Holidays" in listed
    assert "<dt>Images</dt><dd>1</dd>" in listed
    assert "<dt>Space used</dt><dd>0" not in listed


def test_bad_input_is_said_and_nothing_is_lost(ann: Person) -> None:
    answer = ann.post("new_collection", name="", retention="all")
    assert answer.status_code == 400
    assert "This field is required." in answer.text
    assert "all is not one of the available choices" in answer.text
    assert not HostedCollection.objects.exists()
    hosted = ann.collection()
    answer = ann.post("settings", hosted.pk, name="New", retention="nothing", min_similarity="2")
    assert answer.status_code == 400
    assert 'value="New"' in answer.text
    assert "<h1>Holidays</h1>" in answer.text
    assert "less than or equal to 1" in answer.text


def test_what_is_no_longer_kept_is_deleted(
    ann: Person, django_capture_on_commit_callbacks: object
) -> None:
    hosted = ann.collection(retention=Retention.ORIGINALS)
    add(hosted, "beach", image(1))
    names = dict(StoredPicture.objects.values_list("kind", "name"))
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        ann.post("settings", hosted.pk, name="H", retention="thumbnails", min_similarity="0.5")
    assert get_storage().exists(names["thumbnail"])
    assert not get_storage().exists(names["original"])
    hosted.refresh_from_db()
    assert (hosted.name, hosted.min_similarity) == ("H", 0.5)


def test_deleting_one_takes_all_that_is_in_it(
    ann: Person, tmp_path: Path, django_capture_on_commit_callbacks: object
) -> None:
    hosted, other = (
        ann.collection(retention=Retention.ORIGINALS),
        ann.collection("Other", retention="nothing"),
    )
    make_key(hosted.pk)
    for collection in (hosted, other):
        add(collection, "beach", image(1))
    for kept in Collection.objects.all():
        VectorBlock.objects.create(collection=kept, seq=1, place=0, content=b"vectors")
    wrong = ann.post("delete_collection", hosted.pk, name="Holiday")
    assert wrong.status_code == 400
    assert "You typed “Holiday”, but the name is “Holidays”." in wrong.text
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        ann.post("delete_collection", hosted.pk, name="Holidays")
    assert list(HostedCollection.objects.all()) == [other]
    assert Key.objects.count() == StoredPicture.objects.count() == 0
    assert Collection.objects.get().name == other.gallery_name
    assert IndexedImage.objects.count() == VectorBlock.objects.count() == 1
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []
