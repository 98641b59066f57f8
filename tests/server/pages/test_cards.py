"""Images as the pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.models import Retention
from django_visualsnoop.server.pages.cards import Card, make_cards
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries


@pytest.mark.parametrize(
    ("similarity", "percent"), [(1.0, "100 %"), (0.9999, "99 %"), (0.5, "50 %"), (0.0, "0 %")]
)
def test_what_is_not_identical_is_less_than_100_percent(similarity: float, percent: str) -> None:
    assert Card("a", False, similarity).percent == percent


@pytest.mark.django_db
def test_cards_come_in_the_order_given_for_one_query(
    ann: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    hosted, other = (ann.collection(retention=Retention.THUMBNAILS) for _ in range(2))
    add(hosted, "shown", image(1))
    add(other, "of another", image(1))
    with django_assert_num_queries(1):
        cards = make_cards(hosted, {"of another": {}, "shown": {"similarity": 0.5}})
    assert cards == [Card("of another", False), Card("shown", True, 0.5)]
    assert make_cards(hosted, ["shown"]) == [Card("shown", True)]
