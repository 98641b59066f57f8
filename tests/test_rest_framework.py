"""The viewset of the documentation, asked as clients ask it."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings

from django_visualsnoop.exceptions import TransportError
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.docs.test_examples import block
from tests.fixtures import product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.collections.recorder import RecorderCollection

pytest.importorskip("rest_framework")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def documented(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The code of the page, at the URLs that it gives."""
    names: dict[str, Any] = {"__name__": "tests.testapp.api"}
    code = block("uploads.rst", "from rest_framework").replace(
        "shop.models", "tests.testapp.models"
    )
    exec(code, names)
    root = ModuleType("documented_urls")
    root.urlpatterns = names["router"].urls  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=root):
        yield names


def upload(number: int) -> SimpleUploadedFile:
    return SimpleUploadedFile("new.png", image(number), "image/png")


def test_uploads(recorder: RecorderCollection, client: Client) -> None:
    row = product(1)
    response = client.post("/products/", {"name": "second", "photo": upload(1)})
    assert response.status_code == 400
    assert response.json() == {"photo": ["This picture is there already."]}
    assert client.post("/products/", {"name": "second", "photo": upload(2)}).status_code == 201
    url = f"/products/{row.pk}/"
    changed = client.patch(url, b'{"name": "new"}', content_type="application/json")
    assert changed.json()["name"] == "new"


def test_searches(recorder: RecorderCollection, client: Client) -> None:
    row, copy, _ = product(1), product(1, name="copy"), product(2)
    sweep(using="default")
    for name in ("similar", "copies"):
        (found,) = client.get(f"/products/{row.pk}/{name}/").json()
        assert found["id"] == copy.pk
        assert found["visualsnoop_similarity"] == 1.0
    assert client.get(f"/products/{row.pk}/").json()["visualsnoop_similarity"] is None
    with recorder.failing(TransportError("down")):
        response = client.get(f"/products/{row.pk}/similar/")
    assert response.status_code == 503
    assert response.json() == {"detail": "The search failed. Try again later."}


def test_what_another_request_has_saved_since(
    recorder: RecorderCollection, documented: dict[str, Any]
) -> None:
    from rest_framework.exceptions import ValidationError

    view = documented["ProductViewSet"]()
    first, second = (
        documented["ProductSerializer"](data={"name": "new", "photo": upload(1)}) for _ in range(2)
    )
    assert first.is_valid()
    assert second.is_valid()
    view.perform_create(first)
    with pytest.raises(ValidationError) as error:
        view.perform_create(second)
    assert error.value.get_codes() == {"photo": ["visualsnoop_duplicate"]}
    row = Product.objects.get()
    again = documented["ProductSerializer"](row, {"photo": upload(1)}, partial=True)
    assert again.is_valid()  # a copy of itself
    view.perform_update(again)
