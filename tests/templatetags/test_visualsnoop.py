"""The template tags: what they find, and that they never break a page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Template
from django.test import override_settings

from django_visualsnoop.exceptions import TransportError
from django_visualsnoop.sync.worker import sweep
from tests.docs.blocks import blocks_of
from tests.docs.test_examples import ROOT
from tests.fixtures import product
from tests.testapp.models import Product, Shop

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


def render(code: str, **names: Any) -> str:
    """Return the keys of the rows that a tag found."""
    show = "{% for item in items %}{{ item.pk }} {% endfor %}"
    return Template("{% load visualsnoop %}" + code + show).render(Context(names)).strip()


@pytest.mark.usefixtures("recorder")
def test_rows_of_a_search() -> None:
    shop = Shop.objects.create(name="one")
    row, copy, sold, _ = product(1), product(1, shop=shop), product(1, active=False), product(2)
    sweep(using="default")
    for tag in ("similar_images", "copies"):
        assert set(render("{% " + tag + " row as items %}", row=row).split()) == {
            str(copy.pk),
            str(sold.pk),
        }
        assert len(render("{% " + tag + " row limit=1 as items %}", row=row).split()) == 1
        among = "{% " + tag + " row in=rows field='photo' as items %}"
        assert render(among, row=row, rows=Product.objects.filter(active=False)) == str(sold.pk)
        assert render(among, row=row, rows=shop.products) == str(copy.pk)


def test_a_row_that_waits_is_not_read(recorder: RecorderCollection) -> None:
    product(1)
    sweep(using="default")
    assert render("{% copies row as items %}", row=product(1)) == ""
    assert [call.method for call in recorder.calls if "search" in call.method] == [
        "search_images_by_id"
    ]


def test_a_search_that_fails_is_logged(
    recorder: RecorderCollection, caplog: pytest.LogCaptureFixture
) -> None:
    row = product(1)
    with (
        override_settings(DEBUG=True),
        caplog.at_level(logging.WARNING),
        recorder.failing(TransportError("down")),
    ):
        assert render("{% similar_images row as items %}", row=row) == ""
    assert "A template tag could not search" in caplog.text


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("row field='nothing'", "does not index a field 'nothing'"),
        ("row limit=0", "limit must be"),
        ("row among=rows", "Unknown argument 'among'. Known: limit, field, in."),
        ("rows", "Give a row of an indexed model, not list."),
        ("row in=rows", "in must be a QuerySet or a manager, not list."),
    ],
)
def test_a_mistake_in_the_template(arguments: str, message: str) -> None:
    code = "{% copies " + arguments + " as items %}"
    names = {"row": product(1), "rows": [1]}
    assert render(code, **names) == ""
    with override_settings(DEBUG=True), pytest.raises((TypeError, ValueError), match=message):
        render(code, **names)


@pytest.mark.usefixtures("recorder")
def test_the_documented_templates() -> None:
    row, copy = product(1, name="one"), product(1, name="two")
    sweep(using="default")
    blocks = [
        block.code
        for block in blocks_of(ROOT / "docs" / "similar_products.rst")
        if block.language == "html+django"
    ]
    context = Context({"product": row, "others": Product.objects.filter(active=True)})
    first, second = (Template(code).render(context) for code in blocks)
    assert f'<img src="{copy.photo.url}" alt=""> two</a>' in first
    assert "<p>1 look alike, 1 are copies.</p>" in second
