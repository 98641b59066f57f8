"""The validator on fields of models and of forms, and in migrations."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.migrations.writer import MigrationWriter
from django.utils.datastructures import MultiValueDict

from django_visualsnoop.uploads.validators import NotADuplicate
from tests.collections.contract import image
from tests.fixtures import product
from tests.testapp.models import Article, Product


def upload(number: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("new.png", image(number), "image/png")


def files(number: int) -> MultiValueDict[str, Any]:
    return MultiValueDict({"file": [upload(number)]})


@pytest.mark.django_db
@pytest.mark.usefixtures("recorder")
class TestChecks:
    @pytest.fixture(autouse=True)
    def _on_the_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Product._meta.get_field("photo"), "validators", [NotADuplicate()])

    def test_on_a_field_of_a_model(self) -> None:
        row = product(1)
        row.full_clean(exclude=["shop"])  # its file is stored
        row.photo = upload(1)
        row.full_clean(exclude=["shop"])  # a copy of itself
        Product(photo=upload(2)).full_clean(exclude=["shop"])
        with pytest.raises(ValidationError) as error:
            Product(photo=upload(1)).full_clean(exclude=["shop"])
        assert error.value.message_dict == {"photo": ["This picture is there already."]}
        assert error.value.error_dict["photo"][0].code == "visualsnoop_duplicate"

    def test_on_a_field_of_a_form(self) -> None:
        class Form(forms.Form):
            file = forms.ImageField(
                validators=[NotADuplicate("testapp.Product", message="We have it.")]
            )

        product(1)
        assert Form({}, files(1)).errors == {"file": ["We have it."]}
        assert Form({}, files(2)).is_valid()

    def test_of_one_field_of_two(self) -> None:
        Article.objects.create(cover=upload(1))
        NotADuplicate("testapp.Article", field="thumbnail")(upload(1))
        with pytest.raises(ValidationError):
            NotADuplicate("testapp.Article")(upload(1))

    def test_without_a_model(self) -> None:
        with pytest.raises(ImproperlyConfigured, match=r'NotADuplicate\("shop.Product"\)'):
            NotADuplicate()(upload())


def test_in_migrations() -> None:
    validator = NotADuplicate("shop.Product", field="photo")
    written, imports = MigrationWriter.serialize(validator)
    names: dict[str, Any] = {}
    exec("\n".join(imports), names)
    assert eval(written, names) == validator
    assert hash(validator) == hash(NotADuplicate("shop.Product", field="photo"))
    assert validator != NotADuplicate("shop.Product")
