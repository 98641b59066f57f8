"""From a row to the rows that are most similar."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile

from tests.admin.pages import (
    PRODUCTS,
    LoggedIn,
    copies,
    messages_of,
    sweep,
)
from tests.fixtures import product
from tests.related import related_pictures
from tests.testapp.models import Product
from tests.v1server import PUBLIC_KEY, SECRET_KEY, V1Server

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("recorder")
class TestSimilar:
    def test_the_most_similar_rows(self, logged_in: LoggedIn) -> None:
        one, copy, _ = copies(1, 1, 2)
        client = logged_in("view_product")
        url = f"{PRODUCTS}{one.pk}/similar/"
        assert f'<a href="{url}">Similar</a>' in client.get(f"{PRODUCTS}{one.pk}/change/").text
        response = client.get(url)
        assert [card.row for card in response.context["cards"]] == [copy]
        assert "<dd>100%</dd>" in response.text
        assert f'href="{PRODUCTS}{copy.pk}/change/"' in response.text

    def test_without_a_picture_there_is_no_link(self, logged_in: LoggedIn) -> None:
        row = Product.objects.create()
        client = logged_in()
        assert "/similar/" not in client.get(f"{PRODUCTS}{row.pk}/change/").text
        assert "No similar pictures found." in client.get(f"{PRODUCTS}{row.pk}/similar/").text

    def test_a_row_that_there_is_not(self, logged_in: LoggedIn) -> None:
        response = logged_in().get(f"{PRODUCTS}77/similar/")
        assert response["Location"] == "/admin/"

    def test_a_missing_file_of_a_row_that_is_not_indexed(self, logged_in: LoggedIn) -> None:
        row = product(1)
        row.photo.storage.delete(str(row.photo.name))
        response = logged_in().get(f"{PRODUCTS}{row.pk}/similar/")
        assert response.status_code == 302
        assert messages_of(response)[0].startswith("The file is not in the storage")


@pytest.fixture
def rows(media: Path, shared: Path) -> dict[str, Product]:
    """Rows of the embedded engine, by how they are related to the first one."""
    rows = {
        name: Product.objects.create(name=name, photo=ContentFile(content, f"{name}.jpg"))
        for name, content in related_pictures(shared).items()
    }
    sweep()
    return rows


class TestRelations:
    def test_each_row_says_how_it_is_related(
        self, logged_in: LoggedIn, rows: dict[str, Product]
    ) -> None:
        response = logged_in().get(f"{PRODUCTS}{rows['original'].pk}/similar/")
        cards = response.context["cards"]
        assert [card.row for card in cards] == [rows[name] for name in ("copy", "variant", "shot")]
        copy, variant, shot = (card.relation_text for card in cards)
        assert (copy, shot) == ("Copy", "Another shot")
        assert re.fullmatch(r"Variant: [1-9]\d?% differs", variant)
        for text in (copy, variant, shot):
            assert f'<p class="visualsnoop-badge">{text}</p>' in response.text
        assert 'aria-current="true">All</a>' in response.text

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("?relation=variant", ["variant"]),
            ("?relation=copy&relation=shot", ["copy", "shot"]),
        ],
    )
    def test_only_some_relations(
        self, logged_in: LoggedIn, rows: dict[str, Product], query: str, names: list[str]
    ) -> None:
        url = f"{PRODUCTS}{rows['original'].pk}/similar/"
        response = logged_in().get(url + query)
        assert [card.row.name for card in response.context["cards"]] == names
        assert f'<a href="{url}">All</a>' in response.text
        assert response.text.count('aria-current="true"') == len(names)

    def test_none_of_the_relation(self, logged_in: LoggedIn, rows: dict[str, Product]) -> None:
        rows["variant"].delete()
        sweep()
        url = f"{PRODUCTS}{rows['original'].pk}/similar/?relation=variant"
        response = logged_in().get(url)
        assert "No similar pictures found." in response.text
        assert "?relation=copy" in response.text

    def test_a_relation_that_there_is_not(
        self, logged_in: LoggedIn, rows: dict[str, Product]
    ) -> None:
        url = f"{PRODUCTS}{rows['original'].pk}/similar/"
        response = logged_in().get(f"{url}?relation=sequel")
        assert response["Location"] == url
        assert "not ['sequel']" in messages_of(response)[0]

    def test_variants_and_shots_are_no_duplicates(
        self, logged_in: LoggedIn, rows: dict[str, Product]
    ) -> None:
        response = logged_in().get(f"{PRODUCTS}duplicates/")
        (group,) = response.context["groups"]
        assert rows["original"] in {card.row for card in group.cards}
        assert rows["variant"] not in {card.row for card in group.cards}
        assert "other shots of a scene are not copies" in response.text


def test_a_service_that_says_nothing_of_relations(
    logged_in: LoggedIn, settings: Settings, media: Path
) -> None:
    with V1Server() as server:
        service = {
            "BACKEND": "django_visualsnoop.collections.http.HTTPCollection",
            "ENDPOINT": server.endpoint,
            "PUBLIC_KEY": PUBLIC_KEY,
            "SECRET_KEY": SECRET_KEY,
        }
        settings.VISUALSNOOP = {"default": service, "archive": service}
        one, other = copies(1, 1)
        client, url = logged_in(), f"{PRODUCTS}{one.pk}/similar/"
        response = client.get(url)
        assert [card.row for card in response.context["cards"]] == [other]
        assert "relation=" not in response.text
        assert "visualsnoop-badge" not in response.text
        found = client.get(f"{url}?relation=copy")  # API v1 finds copies
        assert [card.row for card in found.context["cards"]] == [other]
        refused = client.get(f"{url}?relation=variant")
        assert refused["Location"] == f"{PRODUCTS}{one.pk}/change/"
        assert "does not return how pictures are related" in messages_of(refused)[0]
