"""What the admin's pages say when a search fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.client.exceptions import AuthenticationError, TransportError
from tests.admin.pages import PRODUCTS, LoggedIn, copies, find, messages_of
from tests.fixtures import product

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


class TestErrors:
    def test_a_collection_that_is_down(
        self, recorder: RecorderCollection, logged_in: LoggedIn
    ) -> None:
        one, _ = copies(1, 1)
        client = logged_in()
        with recorder.failing(TransportError("No answer from images.example.com.")):
            response = client.get(f"{PRODUCTS}duplicates/?active__exact=1")
            assert response["Location"] == f"{PRODUCTS}?active__exact=1"
            assert messages_of(response)[-1] == "No answer from images.example.com."
            response = find(client, one)
            assert response.redirect_chain == [(PRODUCTS, 302)]
            assert messages_of(response)[-1] == "No answer from images.example.com."
            similar = client.get(f"{PRODUCTS}{one.pk}/similar/")
            assert similar["Location"] == f"{PRODUCTS}{one.pk}/change/"

    def test_wrong_keys(self, recorder: RecorderCollection, logged_in: LoggedIn) -> None:
        one, _ = copies(1, 1)
        with recorder.failing(AuthenticationError("Unknown key or bad signature", status=401)):
            response = find(logged_in(), one)
        (message,) = messages_of(response)
        assert "Unknown key or bad signature" in message
        assert "Check PUBLIC_KEY and SECRET_KEY" in message

    def test_a_backend_that_cannot_be_made(
        self, media: object, logged_in: LoggedIn, settings: Settings
    ) -> None:
        one = product(1)
        settings.VISUALSNOOP = {"default": {"OPTIONS": {"colour": "red"}}}
        response = find(logged_in(), one)
        assert response.redirect_chain == [(PRODUCTS, 302)]
        assert "unknown option 'colour'" in messages_of(response)[0]
