"""Assignments to an image field, and what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.forms import modelform_factory

from tests.collections.contract import image
from tests.fixtures import lose, picture, product
from tests.outbox.requested import generation
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def test_deferred_fields_are_not_loaded(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    row = Product.objects.only("name").get(pk=product().pk)
    row.name = "renamed"
    with django_assert_num_queries(1):
        row.save()
    assert "photo" in row.get_deferred_fields()


def test_a_deferred_field_that_was_loaded_is_no_change(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.only("name").get(pk=product().pk)
    assert row.photo.name
    with django_assert_num_queries(1):
        row.save()


def test_a_deferred_field_that_was_assigned_is_a_change() -> None:
    row = Product.objects.only("name").get(pk=product().pk)
    before = generation(row)
    row.photo = picture(2)
    row.save()
    assert generation(row) != before


def test_a_form_that_leaves_the_file_alone_is_no_change(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.get(pk=product().pk)
    form = modelform_factory(Product, fields=["name", "photo"])({"name": "renamed"}, instance=row)
    assert form.is_valid()
    with django_assert_num_queries(1):
        form.save()


def test_a_form_that_clears_the_file_is_a_change() -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    data = {"name": "renamed", "photo-clear": "on"}
    form = modelform_factory(Product, fields=["name", "photo"])(data, instance=row)
    assert form.is_valid()
    form.save()
    assert generation(row) != before


def test_other_content_under_the_same_name_is_a_change() -> None:
    row = Product.objects.get(pk=product().pk)
    before, name = generation(row), row.photo.name
    lose(row.photo)
    row.photo.save("scene1.png", ContentFile(image(2)))
    assert row.photo.name == name
    assert generation(row) != before


@pytest.mark.parametrize(
    "clear", [lambda row: row.photo.delete(), lambda row: row.photo.delete(save=False)]
)
def test_deleting_the_file_is_a_change(clear: Any) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    clear(row)
    row.save()
    assert generation(row) != before
