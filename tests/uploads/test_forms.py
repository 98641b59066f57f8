"""Model forms outside the admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from django_visualsnoop.uploads.forms import (
    DuplicateCheckMixin,
    DuplicateUpload,
    ExistingPicture,
    Reaction,
)
from tests.collections.contract import image
from tests.fixtures import product
from tests.testapp.models import Article, Product

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


class ProductForm(DuplicateCheckMixin, forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Product
        fields = ("name", "photo")


class ArticleForm(DuplicateCheckMixin, forms.ModelForm):  # type: ignore[type-arg]
    visualsnoop_duplicates: Reaction = "refuse"

    class Meta:
        model = Article
        fields = ("cover", "thumbnail")

    def visualsnoop_describe(self, row: Any) -> ExistingPicture:
        return ExistingPicture(f"<{row.title}>", f"/articles/{row.pk}", row.cover.url)


def files(number: int = 1, name: str = "photo") -> MultiValueDict[str, Any]:
    return MultiValueDict({name: [SimpleUploadedFile("new.png", image(number), "image/png")]})


def hidden(form: forms.BaseForm) -> dict[str, str]:
    """Return the values of the inputs in the warning, ticked."""
    return dict(re.findall(r'<input [^>]*name="([^"]*)" value="([^"]*)"', str(form.errors)))


def test_warned_and_kept() -> None:
    product(1)
    form = ProductForm({}, files())
    assert not form.is_valid()
    assert form.has_error("photo", "visualsnoop_duplicate")
    assert "You do not have permission to see where." in str(form)  # nothing by default
    assert "required" not in str(form["photo"])
    again = ProductForm({"name": "again", **hidden(form)})
    assert again.is_valid()
    with again.save().photo.open() as file:
        assert file.read() == image(1)


def test_another_file_replaces_the_kept_one() -> None:
    product(1)
    form = ProductForm(hidden(ProductForm({}, files())), files(2))
    assert form.is_valid()
    with form.save().photo.open() as file:
        assert file.read() == image(2)


def test_refused_with_what_may_be_shown() -> None:
    row = Article.objects.create(title="one", cover=files()["photo"])
    Article.objects.create(thumbnail=files(2)["photo"])
    form = ArticleForm({}, files(1, "cover"))
    assert set(form.errors) == {"cover"}
    assert f'<a href="/articles/{row.pk}">Use the existing: &lt;one&gt;</a>' in str(form)
    assert hidden(form) == {}
    assert ArticleForm({}, files(2, "cover")).is_valid()  # only another field has it


def test_the_row_itself_and_a_row_without_a_new_file() -> None:
    row, copy = product(1), product(1)
    assert ProductForm({"name": "new"}, instance=row).is_valid()
    assert ProductForm({"photo-clear": "on"}, instance=row).is_valid()
    assert not ProductForm({}, files(), instance=row).is_valid()
    copy.delete()
    assert ProductForm({}, files(), instance=row).is_valid()


@pytest.mark.django_db(transaction=True)
def test_what_another_request_has_saved_since() -> None:
    form, twin = ProductForm({}, files()), ProductForm({}, files())
    assert form.is_valid()
    assert twin.is_valid()
    twin.save()
    with pytest.raises(DuplicateUpload):
        form.save()
    assert form.has_error("photo", "visualsnoop_duplicate")
    assert Product.objects.count() == 1
    again = ProductForm(hidden(form))
    assert again.is_valid()
    again.save()
    assert Product.objects.count() == 2


def test_a_reaction_that_does_not_exist() -> None:
    form = type("Form", (ProductForm,), {"visualsnoop_duplicates": "deny"})({})
    with pytest.raises(ImproperlyConfigured, match="must be 'warn' or 'refuse', not 'deny'"):
        form.is_valid()
