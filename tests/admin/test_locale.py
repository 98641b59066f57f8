"""The admin speaks German."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile

from django_visualsnoop.sync import worker
from tests.fixtures import product
from tests.related import related_pictures
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import Settings

PRODUCTS = "/admin/testapp/product/"


@pytest.mark.django_db
@pytest.mark.usefixtures("recorder")
def test_german(logged_in: Callable[..., Client], settings: Settings) -> None:
    settings.LANGUAGE_CODE = "de"
    product(1)
    product(1)
    worker.sweep(using="default")
    client = logged_in()
    changelist = client.get(PRODUCTS).text
    assert changelist.count("</span>in der Suche</div>") == 2
    assert "Duplikate suchen</a>" in changelist
    duplicates = client.get(f"{PRODUCTS}duplicates/").text
    assert "0 von 1 Gruppen entschieden." in duplicates
    assert "<dd>100\N{NO-BREAK SPACE}%</dd>" in duplicates
    assert "Gruppe 1: 2 products</a>" in duplicates


@pytest.mark.django_db
@pytest.mark.usefixtures("media")
def test_relations_in_german(
    logged_in: Callable[..., Client], settings: Settings, shared: Path
) -> None:
    settings.LANGUAGE_CODE = "de"
    rows = [
        Product.objects.create(photo=ContentFile(content, "a.jpg"))
        for content in related_pictures(shared).values()
    ]
    worker.sweep(using="default")
    page = logged_in().get(f"{PRODUCTS}{rows[0].pk}/similar/").text
    for text in ("Kopie</p>", "% anders</p>", "Andere Aufnahme</p>", "Varianten</a>", "Alle</a>"):
        assert text in page
