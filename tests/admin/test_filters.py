"""The filters that the mixin adds to the changelist."""

from __future__ import annotations

import pytest

from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.review.search import search_within
from tests.admin.pages import PRODUCTS, LoggedIn, copies
from tests.fixtures import product, record_of
from tests.testapp.models import Product


@pytest.mark.django_db
@pytest.mark.usefixtures("recorder")
def test_the_filters_of_the_changelist(logged_in: LoggedIn) -> None:
    one, copy, other = copies(1, 1, 2)
    waiting, failed = product(3), product(4)
    empty = Product.objects.create()
    SyncRecord.objects.filter(pk=record_of(failed).pk).update(due_at=None, reason_code="empty")
    search_within(Product, Budget(), using="default")
    client = logged_in()

    def listed(query: str) -> set[Product]:
        return set(client.get(f"{PRODUCTS}?{query}").context["cl"].result_list)

    assert listed("visualsnoop_copies=1") == {one, copy}
    assert listed("visualsnoop_state=found") == {one, copy, other}
    assert listed("visualsnoop_state=waiting") == {waiting}
    assert listed("visualsnoop_state=failed") == {failed}
    assert listed("visualsnoop_state=nonsense") == {one, copy, other, waiting, failed, empty}
