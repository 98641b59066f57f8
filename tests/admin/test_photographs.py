"""Edited copies of photographs: what the page says of them, and that no original is given up."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image, ImageOps

from django_visualsnoop.admin import resolve_page
from django_visualsnoop.models import ReviewGroup
from tests.admin.pages import DUPLICATES, LoggedIn, sweep
from tests.admin.test_resolve_page import read_form
from tests.testapp.models import Product, Range, Review

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db


def crop(photo: Image.Image) -> Image.Image:
    width, height = photo.size
    return photo.crop((width // 7, height // 9, width - width // 10, height - height // 12))


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": crop,
    "mirrored": ImageOps.mirror,
    "turned": lambda photo: photo.rotate(90, expand=True),
    "framed": lambda photo: ImageOps.expand(photo, 40, "white"),
    "black and white": lambda photo: photo.convert("L").convert("RGB"),
    "scaled": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
}


def save(photo: Image.Image, name: str, quality: int) -> Product:
    written = io.BytesIO()
    photo.save(written, "JPEG", quality=quality)
    return Product.objects.create(name=name, photo=ContentFile(written.getvalue(), "a.jpg"))


@pytest.mark.usefixtures("media")
def test_no_original_is_given_up_and_no_related_row_lost(
    shared: Path, logged_in: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.testapp.admin import ProductAdmin

    monkeypatch.setattr(ProductAdmin, "visualsnoop_groups_per_page", 20)
    monkeypatch.setattr(resolve_page, "_SECONDS", 600.0)
    photos = sorted((shared / "photos").glob("*.jpg"))[: len(EDITS)]
    originals = []
    for (name, edit), path in zip(EDITS.items(), photos, strict=True):
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        originals.append(save(photo, "original", 90))
        save(edit(photo), name, 97)  # a larger file, as long as it has as many pixels
    sale = Range.objects.create()
    for row in Product.objects.all():
        Review.objects.create(product=row)
        sale.products.add(row)
    sweep()
    client = logged_in()
    client.post(f"{DUPLICATES}search/")
    client.get(DUPLICATES)
    ReviewGroup.objects.update(similarity=1.0)  # resolve the less similar ones, too
    groups = client.get(DUPLICATES).context["groups"]
    assert {card.row.name for group in groups for card in group.cards} == {"original", *EDITS}
    for group in groups:
        proposed, other = (one for one, _ in client.get(group.url).context["members"])
        assert proposed.row in originals
        assert other.row.name in " ".join(other.edit_texts)
    form = read_form(client.get(DUPLICATES))
    with CaptureQueriesContext(connection) as queries:
        asked = client.post(f"{DUPLICATES}resolve/", form)
    assert len(queries) <= 30
    client.post(f"{DUPLICATES}resolve/", read_form(asked))
    assert list(Product.objects.order_by("pk")) == originals
    assert Review.objects.count() == 2 * len(EDITS)
    assert sale.products.count() == len(EDITS)
