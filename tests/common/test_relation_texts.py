"""What pages say of relations."""

from __future__ import annotations

import pytest

from django_visualsnoop.common.relation_texts import (
    CHOICES,
    describe_relation,
    list_choice_links,
)
from django_visualsnoop.common.search_options import RELATIONS


@pytest.mark.parametrize(
    ("relation", "difference", "text"),
    [
        ("copy", 0.62, "Copy"),  # in other colours
        ("variant", 0.129, "Variant: 12.9% differs"),
        ("variant", 0.001, "Variant: 1.0% differs"),
        ("variant", None, "Variant"),
        ("shot", 0.4, "Another shot"),
        (None, None, ""),
        ("sequel", 0.4, ""),
    ],
)
def test_a_relation_in_words(relation: str | None, difference: float | None, text: str) -> None:
    assert describe_relation(relation, difference, "{:.1%}".format) == text


def test_every_relation_can_be_chosen() -> None:
    assert [relation for relation, _ in CHOICES] == ["", *RELATIONS]


@pytest.mark.parametrize(
    ("chosen", "names"),
    [([], ["All"]), (["copy"], ["Copies"]), (["shot", "variant"], ["Variants", "Other shots"])],
)
def test_links_say_what_is_chosen(chosen: list[str], names: list[str]) -> None:
    links = list_choice_links("/a/", chosen)
    assert [link.name for link in links if link.is_chosen] == names
    assert [link.url for link in links] == [
        "/a/",
        "/a/?relation=copy",
        "/a/?relation=variant",
        "/a/?relation=shot",
    ]
