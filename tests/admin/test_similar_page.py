"""From a row to the rows that are most similar."""

from __future__ import annotations

import pytest

from tests.admin.pages import (
    PRODUCTS,
    LoggedIn,
    copies,
    messages_of,
)
from tests.fixtures import product
from tests.testapp.models import Product

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
