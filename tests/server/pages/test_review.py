"""The page that reviews a group of duplicates."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageOps

from django_visualsnoop.server.content import metadata, not_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import KeptGroup, Organisation, Retention, StoredPicture
from django_visualsnoop.server.pages import review as module
from django_visualsnoop.server.pages.converters import ImageId
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, person, url

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from django_visualsnoop.server.models import HostedCollection

pytestmark = pytest.mark.django_db


def framed(number: int) -> bytes:
    """Return scene ``number`` in a white frame, so with more pixels."""
    with Image.open(io.BytesIO(image(number))) as opened:
        picture = ImageOps.expand(opened.convert("RGB"), 24, "white")
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()


@pytest.fixture
def filled(ann: Person) -> HostedCollection:
    """A group of an image and its framed copy, and one of three equal images."""
    hosted = ann.collection(retention=Retention.ORIGINALS)
    for name, content in (
        ("original", image(1)),
        ("framed", framed(1)),
        *((name, image(2)) for name in "xyz"),
    ):
        add(hosted, name, content)
    return hosted


def ids(hosted: HostedCollection) -> set[str]:
    return set(HostedImages(hosted).store.iterate_ids())


def read_form(shown: str) -> dict[str, Any]:
    """Return what a page's form sends as it is."""
    return {
        "shown": re.findall(r'name="shown" value="([^"]+)"', shown),
        **dict(re.findall(r'name="(choice-[^"]+)" value="(\w+)"(?: checked|>\n)', shown)),
        **dict(re.findall(r'name="(confirmed)" value="(1)"', shown)),
    }


def choose(form: dict[str, Any], **choices: str) -> dict[str, Any]:
    return form | {f"choice-{ImageId().to_url(name)}": choice for name, choice in choices.items()}


def send(who: Person, hosted: HostedCollection, image_id: str, form: dict[str, Any]) -> Any:
    return who.client.post(url("review", hosted.pk, image_id), form, follow=True)


def test_what_is_shown_of_a_copy(ann: Person, filled: HostedCollection) -> None:
    metadata.write_metadata(filled.pk, "framed", {"sku": 5})
    shown = ann.get("review", filled.pk, "framed").text
    assert re.search(r"Group \d of 2: 2 images", shown)
    first, second = re.findall(r'<li class="visualsnoop-member".*?</li>', shown, re.DOTALL)
    assert 'data-name="original"' in first
    assert "Proposed to keep" in first
    assert ">framed</span>" in second
    assert 'data-matrix="1.' in second
    assert f'data-picture="{url("original", filled.pk, "framed")}"' in second
    for differs in ("Pixels", "File size", "sku"):
        assert f'<div class="visualsnoop-differs"><dt>{differs}</dt>' in second
    assert read_form(shown) | {"shown": []} == choose({"shown": []}, original="keep", framed="keep")


def test_without_retained_pictures_the_facts_are_shown(ann: Person) -> None:
    hosted = ann.collection(retention=Retention.NOTHING)
    for name in ("one", "two"):
        add(hosted, name, image(1))
    shown = ann.get("review", hosted.pk, "one").text
    assert shown.count("The collection retains no picture of this image.") == 2
    assert "256 \N{MULTIPLICATION SIGN} 192" in shown
    assert "<img" not in shown.partition("<ol")[2]


def test_nothing_is_deleted_before_the_confirmation(ann: Person, filled: HostedCollection) -> None:
    form = choose(read_form(ann.get("review", filled.pk, "x").text), y="remove", z="remove")
    confirmation = send(ann, filled, "x", form)
    assert len(ids(filled)) == 5
    assert "You can undo this for 30 days." in confirmation.text
    assert "Delete 2 images?" in confirmation.text
    assert "You keep none" not in confirmation.text
    assert url("thumbnail", filled.pk, "y") in confirmation.text or (
        url("original", filled.pk, "y") in confirmation.text
    )
    after = send(ann, filled, "x", read_form(confirmation.text))
    assert ids(filled) == {"original", "framed", "x"}
    assert StoredPicture.objects.filter(collection=filled, removal=None).count() == 6
    assert "2 images were deleted." in after.text
    assert f'<a href="{url("removed", filled.pk)}">Take this back</a>' in after.text
    assert ": 2 images</h2>" in after.text  # the next group


def test_what_was_deleted_is_restored(ann: Person, eve: Person, filled: HostedCollection) -> None:
    form = choose(read_form(ann.get("review", filled.pk, "x").text), y="remove", z="remove")
    send(ann, filled, "x", read_form(send(ann, filled, "x", form).text))
    listed = ann.get("removed", filled.pk).text
    assert re.findall(r'<span class="id">(\w+)</span>', listed) == ["y", "z"]
    key = re.search(r'name="removal" value="(\d+)"', listed)
    assert key is not None
    sent = {"removal": key[1]}
    assert eve.client.post(url("removed", filled.pk), sent).status_code == 404
    assert len(ids(filled)) == 3
    restored = ann.client.post(url("removed", filled.pk), sent, follow=True)
    assert "Restored 2 images." in restored.text
    assert "There is nothing to restore." in restored.text
    assert len(ids(filled)) == 5
    assert ann.get("thumbnail", filled.pk, "y").status_code == 200
    again = ann.client.post(url("removed", filled.pk), sent, follow=True)
    assert "These images cannot be restored any more." in again.text
    for bad in ("", "x", "9" * 30):
        assert ann.client.post(url("removed", filled.pk), {"removal": bad}).status_code == 404


def test_without_undo_the_confirmation_says_so(
    ann: Person, filled: HostedCollection, settings: Settings
) -> None:
    settings.VISUALSNOOP_SERVER = {"UNDO_DAYS": 0}
    form = choose(read_form(ann.get("review", filled.pk, "x").text), y="remove")
    confirmation = send(ann, filled, "x", form)
    assert "This cannot be undone." in confirmation.text
    after = send(ann, filled, "x", read_form(confirmation.text))
    assert "1 image was deleted." in after.text
    assert "Take this back" not in after.text


@pytest.mark.parametrize("change", ["apart", "keep"])
def test_what_another_reviewer_has_decided_stays(
    ann: Person, filled: HostedCollection, change: str
) -> None:
    form = choose(read_form(ann.get("review", filled.pk, "x").text), y="remove")
    confirmed = read_form(send(ann, filled, "x", form).text)
    other = read_form(ann.get("review", filled.pk, "x").text)
    apart = choose(other, y="apart")
    send(ann, filled, "x", apart if change == "apart" else other | {"all": "keep"})
    answer = send(ann, filled, "x", confirmed)
    assert "This group has changed meanwhile. Nothing was changed." in answer.text
    assert len(ids(filled)) == 5


def test_deleting_all_of_a_group_is_pointed_out(ann: Person, filled: HostedCollection) -> None:
    form = read_form(ann.get("review", filled.pk, "x").text)
    confirmation = send(ann, filled, "x", form | {"all": "remove"})
    assert "You keep none of these images." in confirmation.text
    assert len(ids(filled)) == 5


@pytest.mark.parametrize("change", ["delete", "replace"])
def test_a_change_meanwhile_is_noticed(ann: Person, filled: HostedCollection, change: str) -> None:
    form = choose(read_form(ann.get("review", filled.pk, "x").text), y="remove")
    confirmed = read_form(send(ann, filled, "x", form).text)
    images = HostedImages(filled)
    if change == "delete":  # the one to keep
        images.delete("x")
    else:
        images.put(images.describe(image(3), "y"))
    before = ids(filled)
    answer = send(ann, filled, "z", confirmed)
    assert "This group has changed meanwhile. Nothing was changed." in answer.text
    assert ids(filled) == before
    assert sorted(re.findall(r'data-name="(\w)"', answer.text)) == sorted(
        {"x", "y", "z"} - {"x" if change == "delete" else "y"}
    )


def test_not_duplicates(ann: Person, filled: HostedCollection) -> None:
    form = choose(read_form(ann.get("review", filled.pk, "x").text), x="apart", y="remove")
    send(ann, filled, "x", read_form(send(ann, filled, "x", form).text))
    assert not_duplicates.list_pairs(HostedImages(filled)) == [("x", "z")]
    form = read_form(ann.get("review", filled.pk, "original").text)
    last = send(ann, filled, "original", form | {"all": "apart"})
    assert "marked as not duplicates." in last.text
    assert "You have reviewed all groups." in last.text
    assert not_duplicates.list_pairs(HostedImages(filled))[1:] == [("framed", "original")]
    assert "No image of this collection is a duplicate" in last.text


def test_a_kept_group_stays_away_until_it_changes(ann: Person, filled: HostedCollection) -> None:
    form = read_form(ann.get("review", filled.pk, "x").text)
    after = send(ann, filled, "x", form | {"all": "keep"})
    assert "all kept." in after.text
    assert ": 2 images</h2>" in after.text
    cache.clear()
    listed = ann.get("duplicates", filled.pk).text
    assert ": 2 images</a>" in listed
    assert ": 3 images" not in listed
    kept = ann.get("duplicates", filled.pk, state="kept").text
    assert ": 3 images</a>" in kept
    assert ": 2 images" not in kept

    shown = ann.get("review", filled.pk, "x").text
    assert "You keep all images of this group." in shown
    again = send(ann, filled, "x", read_form(shown) | {"reopen": "1"})
    assert "Keep all" in again.text
    assert not KeptGroup.objects.exists()

    send(ann, filled, "x", form | {"all": "keep"})
    add(filled, "new", image(2))
    cache.clear()  # what a commit would do
    assert ": 4 images</a>" in ann.get("duplicates", filled.pk).text


def test_decisions_need_no_other_search(
    ann: Person, filled: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = ann.get("duplicates", filled.pk).text
    monkeypatch.setattr("django_visualsnoop.server.content.duplicates._find", None)
    HostedImages(filled).delete("z")
    shown = ann.get("review", filled.pk, "x").text
    assert ": 2 images</h2>" in shown
    assert 'data-name="z"' not in shown
    HostedImages(filled).delete("y")
    answer = ann.client.get(url("review", filled.pk, "x"), follow=True)
    assert 'data-name="original"' in answer.text


def test_of_a_large_group_what_is_not_shown_is_kept(
    ann: Person, filled: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_SHOWN", 2)
    shown = ann.get("review", filled.pk, "x")
    assert "1 more copy is not shown and will be kept." in shown.text
    send(ann, filled, "x", read_form(shown.text) | {"all": "keep"})
    assert not KeptGroup.objects.exists()  # nobody has seen the third


def test_what_is_no_form_of_this_page(ann: Person, filled: HostedCollection) -> None:
    form = read_form(ann.get("review", filled.pk, "x").text)
    tried: list[dict[str, Any]] = [{"shown": ["?"]}, {"shown": []}, {"all": "burn"}]
    for bad in tried:
        assert send(ann, filled, "x", form | bad).status_code == 404
    assert len(ids(filled)) == 5
    assert not KeptGroup.objects.exists()


def test_who_left_the_organisation_changes_nothing(ann: Person, filled: HostedCollection) -> None:
    bob = person("bob")
    filled.organisation = Organisation.objects.create(name="Desk")
    filled.save()
    membership = filled.organisation.memberships.create(user=bob.user)
    form = choose(read_form(bob.get("review", filled.pk, "x").text), y="remove")
    confirmed = read_form(send(bob, filled, "x", form).text)
    membership.delete()
    assert send(bob, filled, "x", confirmed).status_code == 404
    assert len(ids(filled)) == 5


def test_the_number_of_queries_does_not_grow(ann: Person, hosted: HostedCollection) -> None:
    counts = []
    for start in (0, 10):
        for number in range(start, start + 10):
            for copy in range(2):
                add(hosted, f"{number}-{copy}", image(number))
        ann.get("duplicates", hosted.pk)
        ann.get("review", hosted.pk, "0-0")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert ann.get("review", hosted.pk, "0-0").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 30


def test_the_script_and_the_styles_are_those_of_the_admin() -> None:
    for name in ("review.js", "review.css"):
        own, admins = (
            Path(str(finders.find(f"{app}/{name}")))
            for app in ("visualsnoop_server", "visualsnoop")
        )
        assert own.read_bytes() == admins.read_bytes()
