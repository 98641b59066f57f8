"""The mixin: what it adds to saving, copying and refreshing a row."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from django.db import models

from django_visualsnoop.models import SyncRecord
from tests.fixtures import picture, product, record_of
from tests.outbox.requested import generation
from tests.testapp.models import Poster, Product

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = [
    pytest.mark.django_db(databases=["default", "other"]),
    pytest.mark.usefixtures("recorder"),
]


def test_refreshing_forgets_an_assignment(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    row = Product.objects.get(pk=product().pk)
    row.photo = "elsewhere.png"
    row.refresh_from_db()
    with django_assert_num_queries(1):
        row.save()


@pytest.mark.parametrize("duplicate", [copy.copy, lambda row: pickle.loads(pickle.dumps(row))])
def test_a_copied_instance_remembers_its_assignments(duplicate: Any) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    row.photo = "elsewhere.png"
    duplicate(row).save()
    assert generation(row) != before


@pytest.mark.parametrize("raw", [False, True])
def test_a_fixture_comes_past_model_save(raw: bool) -> None:
    row = Product.objects.get(pk=product().pk)
    before = generation(row)
    if not raw:
        row.photo = "elsewhere.png"
    models.Model.save_base(row, raw=raw)
    assert generation(row) != before


def test_a_child_writes_the_record_of_its_parent() -> None:
    row = Poster.objects.create(artist="unknown", photo=picture())
    assert record_of(row).model == "testapp.product"
    parent = Product.objects.get(pk=row.pk)
    before = generation(parent)
    parent.photo = picture(2)
    parent.save()
    assert generation(row) != before
    before = generation(row)
    Poster.objects.get().delete()
    assert SyncRecord.objects.get().generation != before
