"""The changelist's column of sync states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from django_visualsnoop.admin.states import load, state_of
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync import worker
from tests.fixtures import grow_old, picture, product, record_of
from tests.testapp.models import Article, Listing, Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client
    from pytest_django import DjangoAssertNumQueries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def change(row: Product, **values: object) -> None:
    SyncRecord.objects.filter(pk=record_of(row).pk).update(**values)


def test_in_sync() -> None:
    row = product(1)
    worker.sweep(using="default")
    assert state_of(row) == (
        '<div class="visualsnoop-state"><span class="visualsnoop-icon visualsnoop-in_sync" '
        'aria-hidden="true"></span>in search</div>'
    )


def test_waiting() -> None:
    assert "</span>waiting</div>" in state_of(product(1))


@pytest.mark.parametrize(("due", "label"), [(False, "failed"), (True, "waiting")])
def test_a_failure_and_its_reason(due: bool, label: str) -> None:
    row = product(1)
    reason = "<b>Bad</b> picture" + "!" * 100
    due_at = timezone.now() if due else None
    change(row, due_at=due_at, reason_code="undecodable", reason=reason)
    html = state_of(row)
    assert f"</span>{label}<" in html
    escaped = reason.replace("<", "&lt;").replace(">", "&gt;")
    assert f'title="{escaped}"' in html
    assert f">{escaped[:60]}" in html
    assert html.count("!" * 90) == 1  # the title alone has all of it


def test_not_indexed() -> None:
    assert "</span>not in search</div>" in state_of(Product.objects.create())


def test_left_out_by_the_models_own_condition() -> None:
    row = Listing.objects.create(photo=picture(1), published=False)
    worker.sweep(using="default")
    assert "</span>not in search</div>" in state_of(row)


def test_several_fields_are_named() -> None:
    row = Article.objects.create(cover=picture(1))
    html = state_of(row)
    assert html.startswith('<div class="visualsnoop-state">Cover: <span')
    assert "waiting</div>" in html
    assert '<div class="visualsnoop-state">Thumbnail: <span' in html


def test_nothing_to_load(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        load([])


@pytest.mark.parametrize("count", [2, 60])
def test_one_query_for_the_changelist(
    count: int,
    logged_in: Callable[..., Client],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    Product.objects.bulk_create(Product(photo=f"{number}.png") for number in range(count))
    client = logged_in("view_product")
    # session, user, permissions of the user and of the groups, two counts, the page, the records
    # Seven of these look whether rows were never indexed.
    with django_assert_num_queries(8 + 7):
        response = client.get("/admin/testapp/product/")
    assert response.text.count("</span>waiting</div>") == count


def test_a_list_that_can_be_edited(logged_in: Callable[..., Client]) -> None:
    Article.objects.create(thumbnail=picture(1))
    assert "</span>waiting</div>" in logged_in().get("/admin/testapp/article/").text


def test_on_the_change_form(logged_in: Callable[..., Client]) -> None:
    row = Article.objects.create(cover=ContentFile(b"", "empty.png"))
    grow_old()
    worker.sweep(using="default")
    text = logged_in().get(f"/admin/testapp/article/{row.pk}/change/").text
    assert "</span>failed<" in text
    assert 'href="/static/visualsnoop/admin.css"' in text
