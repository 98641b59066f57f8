"""Searching on a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.collections.contract import image
from tests.related import related_pictures
from tests.server.pages.conftest import Person, add, upload

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from django_visualsnoop.server.models import HostedCollection

pytestmark = pytest.mark.django_db


def test_searching_says_what_is_wrong(ann: Person, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"EMBEDDING": False}
    hosted = ann.collection()
    add(hosted, "one", image(1))
    nothing = ann.post("search", hosted.pk)
    assert (nothing.status_code, "Choose a picture." in nothing.text) == (400, True)
    none = ann.post("search", hosted.pk, picture=upload(2))
    assert none.status_code == 200
    assert "No image in this collection looks similar to this picture." in none.text


def found(answer: Any) -> dict[str, str]:
    """Return the relations that a page shows, by image id."""
    assert answer.status_code == 200
    cards = re.findall(r'<li class="card.*?</li>', answer.text, re.DOTALL)
    told = {}
    for card in cards:
        name, relation = (re.search(rf'class="{kind}">(.*?)<', card) for kind in ("id", "relation"))
        assert name is not None
        told[name[1]] = relation[1] if relation else ""
    return told


def test_each_image_says_how_it_is_related(
    ann: Person, related: HostedCollection, shared: Path
) -> None:
    content = related_pictures(shared)["original"]

    def search(**data: str) -> Any:
        picture = SimpleUploadedFile("query.jpg", content, "image/jpeg")
        return ann.post("search", related.pk, picture=picture, **data)

    everything = found(search())
    # Nobody can see which of the first two is the file itself.
    assert sorted(list(everything)[:2]) == ["copy", "original"]
    assert list(everything)[2:] == ["variant", "shot"]
    variant = everything.pop("variant")
    assert list(everything.values()) == ["Copy", "Copy", "Another shot"]
    assert re.fullmatch(r"Variant: [1-9]\d? % differs", variant)
    assert found(search(relation="")).keys() == {*everything, "variant"}
    assert list(found(search(relation="variant"))) == ["variant"]
    assert list(found(search(relation="shot"))) == ["shot"]
    assert '<option value="shot" selected>Other shots</option>' in search(relation="shot").text


def test_no_image_with_the_relation(ann: Person) -> None:
    hosted = ann.collection()
    add(hosted, "one", image(1))
    none = ann.post("search", hosted.pk, picture=upload(1), relation="shot")
    assert none.status_code == 200
    assert "has no image with this relation" in none.text
    wrong = ann.post("search", hosted.pk, picture=upload(1), relation="sequel")
    assert (wrong.status_code, "sequel is not one of" in wrong.text) == (400, True)


def test_a_link_can_choose_the_relation(ann: Person) -> None:
    hosted = ann.collection()
    add(hosted, "one", image(1))
    page = ann.get("search", hosted.pk, relation="variant")
    assert '<option value="variant" selected>Variants</option>' in page.text


def test_the_page_of_an_image_can_show_some_relations(
    ann: Person, related: HostedCollection
) -> None:
    everything = ann.get("image", related.pk, "original")
    assert list(found(everything)) == ["copy", "variant", "shot"]
    assert 'aria-current="true">All</a>' in everything.text
    some = ann.client.get(everything.wsgi_request.path + "?relation=copy&relation=shot")
    assert list(found(some)) == ["copy", "shot"]
    assert some.text.count('aria-current="true">') == 3  # and the tab
    none = ann.get("image", related.pk, "original", relation="sequel")
    assert none.status_code == 404
    alone = ann.collection("Alone")
    add(alone, "one", image(1))
    assert "relation=" not in ann.get("image", alone.pk, "one").text


def test_variants_and_shots_are_no_duplicates(ann: Person, related: HostedCollection) -> None:
    answer = ann.get("duplicates", related.pk)
    assert "variant" not in found(answer)
    assert "Variants and other shots of a scene are not duplicates" in answer.text
