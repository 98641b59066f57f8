"""The form and the view of the page about uploads, executed."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory, override_settings

from tests.collections.contract import image
from tests.docs.test_examples import block
from tests.fixtures import product
from tests.testapp.models import Product

pytestmark = [
    pytest.mark.docs,
    pytest.mark.django_db,
    pytest.mark.usefixtures("recorder"),
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                ("django.template.loaders.locmem.Loader", {"shop/add_product.html": "{{ form }}"}),
                "django.template.loaders.app_directories.Loader",
            ]
        },
    }
]


@override_settings(TEMPLATES=TEMPLATES)
def test_a_form_and_its_view(monkeypatch: pytest.MonkeyPatch) -> None:
    url = property(lambda row: lambda: f"/products/{row.pk}")
    monkeypatch.setattr(Product, "get_absolute_url", url, raising=False)
    names: dict[str, Any] = {"__name__": "tests.testapp.documented"}
    for start in ("from django import forms", "from django.shortcuts"):
        code = block("uploads.rst", start)
        exec(code.replace("shop.models", "tests.testapp.models"), names)

    def post() -> Any:
        photo = SimpleUploadedFile("new.png", image(1), "image/png")
        request = RequestFactory().post("/", {"name": "new", "photo": photo})
        return names["add_product"](request)

    assert post()["Location"] == f"/products/{Product.objects.get().pk}"
    assert "Use the existing: new" in post().content.decode()
    form, save = names["ProductForm"], names["ProductForm"].save

    def save_late(self: Any) -> Any:
        product(2, name="late")
        return save(self)

    monkeypatch.setattr(form, "save", save_late)
    photo = SimpleUploadedFile("new.png", image(2), "image/png")
    request = RequestFactory().post("/", {"name": "new", "photo": photo})
    assert "Use the existing: late" in names["add_product"](request).content.decode()
    assert Product.objects.count() == 2
