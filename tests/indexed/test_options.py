from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.indexed.options import (
    all_indexed_fields,
    field_by_label,
    indexed_field,
    indexed_fields,
    split_template,
)
from tests.testapp.models import Article, Document, FeaturedProduct, Listing, Poster, Product, Shop


def test_every_image_field_is_indexed_unless_the_model_names_some() -> None:
    assert [field.name for field in indexed_fields(Article)] == ["cover", "thumbnail"]
    assert [field.name for field in indexed_fields(Document)] == ["scan"]


@pytest.mark.parametrize("model", [FeaturedProduct, Poster])
def test_a_proxy_and_a_child_share_their_parents_field(model: type[Product]) -> None:
    assert indexed_fields(model) == indexed_fields(Product)


@pytest.mark.parametrize(
    ("model", "name", "key"),
    [(Product, "photo", 42), (Article, "cover", uuid4()), (Document, "scan", "a/b: é")],
)
def test_an_image_id_leads_back_to_the_key(model: type, name: str, key: object) -> None:
    field = indexed_field(model, name)
    image_id = field.image_id(field.key_text(key), "default")
    assert field.key_from_image_id(image_id, "default") == key


def test_image_ids_are_readable_and_follow_the_template() -> None:
    assert indexed_field(Product, "photo").image_id("42", "default") == "testapp.product.photo:42"
    assert indexed_field(Document, "scan").image_id("A-1", "default") == "scan/A-1"


@pytest.mark.parametrize(
    "image_id",
    ["testapp.product.photo:", "testapp.product.photo:x", "testapp.product.photo:007", "42", ""],
)
def test_ids_of_others_are_not_mistaken_for_ours(image_id: str) -> None:
    assert indexed_field(Product, "photo").key_from_image_id(image_id, "default") is None


def test_record_ids_differ_by_row_and_by_field() -> None:
    cover, thumbnail = indexed_fields(Article)
    assert len({cover.record_id("1"), cover.record_id("2"), thumbnail.record_id("1")}) == 3


@pytest.mark.parametrize(
    "template", ["photo", "{pk}{pk}", "{pk!r}", "{name}:{pk}", "{pk}{", "{}{pk}"]
)
def test_a_template_that_cannot_be_read_back_is_refused(template: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="image_id = "):
        split_template(template)


def test_a_template_may_name_the_database() -> None:
    assert split_template("{database}/{model}.{field}:{pk}") == ("{database}/{model}.{field}:", "")


def test_a_model_without_the_mixin_says_what_to_type() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"class Shop\(VisualSnoopMixin, models.Model\)"):
        indexed_fields(Shop)


def test_an_unknown_field_names_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"does not index a field 'stamp'\. Indexed fields: 'scan'"
    ):
        indexed_field(Document, "stamp")


def test_a_record_of_code_that_is_gone_names_no_field() -> None:
    assert field_by_label("testapp.product", "photo") == indexed_field(Product, "photo")
    assert field_by_label("testapp.gone", "photo") is None
    assert field_by_label("testapp.product", "gone") is None
    assert field_by_label("testapp.shop", "name") is None


def test_all_fields_are_listed_once_each() -> None:
    found = [str(field) for field in all_indexed_fields()]
    assert len(found) == len(set(found))
    assert "testapp.Product.photo" in found
    assert "testapp.Poster.photo" not in found


def test_only_a_model_that_overrides_the_condition_has_one() -> None:
    assert indexed_field(Listing, "photo").has_condition
    assert not indexed_field(Product, "photo").has_condition
