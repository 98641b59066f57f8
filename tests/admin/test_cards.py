"""What is proposed and said of a group."""

from __future__ import annotations

from django_visualsnoop.admin.cards import Card, ShownGroup, percent
from django_visualsnoop.admin.pictures import ShownPicture
from tests.testapp.models import Product


def card(key: int, width: int | None, size: int | None) -> Card:
    picture = ShownPicture("a.png", width=width, height=width, size=size)
    return Card(Product(pk=key), picture, "/change/", 1.0, False)


def group(*cards: Card, size: int = 3) -> ShownGroup:
    return ShownGroup(1, list(cards), size)


def test_the_largest_by_pixels_is_proposed() -> None:
    assert group(card(1, 10, 900), card(2, 20, 100), card(3, None, None)).proposed == "2"


def test_then_the_largest_by_bytes() -> None:
    assert group(card(1, 10, 100), card(2, 10, 200)).proposed == "2"


def test_then_the_oldest_key_by_number() -> None:
    assert group(card(10, 10, 100), card(9, 10, 100)).proposed == "9"


def test_a_file_that_cannot_be_read_is_never_proposed_before_one_that_can() -> None:
    assert group(card(1, None, 9000), card(2, 1, 1)).proposed == "2"


def test_how_many_are_hidden() -> None:
    assert group(card(1, 1, 1), card(2, 1, 1), size=5).hidden == 3


def test_percent() -> None:
    assert percent(1.0) == "100%"
    assert percent(0.9999) == "99%"
    assert percent(None) == "\N{EN DASH}"
