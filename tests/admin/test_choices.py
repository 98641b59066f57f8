"""From a submitted form to the rows that nobody wants to keep."""

from __future__ import annotations

import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict

from django_visualsnoop.admin.choices import Choice, members_value, others, read_choices
from tests.testapp.models import Document, Product


def form(**values: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update({f"visualsnoop_{name}": value for name, value in values.items()})
    return data


def test_a_choice_and_none() -> None:
    data = form(members_1=members_value(["1", "2"]), keep_1="2", members_2='["3", "4"]', keep_2="")
    assert read_choices(data, Product._meta.pk, limit=9) == [
        Choice(frozenset({1, 2}), 2),
        Choice(frozenset({3, 4}), None),
    ]


def test_keys_with_commas_and_quotes() -> None:
    keys = ["a,b", 'c"d', "e"]
    data = form(members_1=members_value(keys), keep_1="a,b")
    assert read_choices(data, Document._meta.pk, limit=9) == [Choice(frozenset(keys), "a,b")]


@pytest.mark.parametrize("kept", ["5", "", "x"])
def test_what_is_no_member_cannot_be_kept_instead(kept: str) -> None:
    choices = read_choices(form(members_1='["1", "2"]', keep_1=kept), Product._meta.pk, limit=9)
    assert others(choices, {1, 2, 5}) == (set(), 0)


def test_without_a_choice_all_are_kept() -> None:
    assert others(
        read_choices(form(members_1='["1", "2"]'), Product._meta.pk, limit=9), {1, 2}
    ) == (
        set(),
        0,
    )


HOSTILE = [
    "",
    "x",
    "5",
    "null",
    '"12"',
    '{"1": 2}',
    '["x"]',
    '[["1"]]',
    "[NaN]",
    "[1e999]",
    "[null]",
    '["9223372036854775808"]',
    f'["{"9" * 4000}"]',
    f'["{"9" * 6000}"]',
    f"[{'9' * 6000}]",
    "[" * 100_000,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: value[:12])
def test_a_form_that_is_not_ours(value: str) -> None:
    with pytest.raises(SuspiciousOperation, match="visualsnoop_members_1 must be a list of keys"):
        read_choices(form(members_1=value), Product._meta.pk, limit=9)


def test_the_others_that_are_still_there() -> None:
    assert others([Choice(frozenset({1, 2, 3}), 2)], {1, 2}) == ({1}, 0)


def test_a_group_whose_kept_row_is_gone_is_left_alone() -> None:
    choices = [Choice(frozenset({1, 2}), 1), Choice(frozenset({3, 4}), 4)]
    assert others(choices, {2, 3, 4}) == ({3}, 1)


def test_what_one_group_keeps_no_other_deletes() -> None:
    assert others([Choice(frozenset({1, 2}), 1), Choice(frozenset({1, 3}), 3)], {1, 2, 3}) == (
        {2},
        0,
    )


def test_a_text_that_is_no_character_is_no_key() -> None:
    with pytest.raises(SuspiciousOperation, match="must be a list of keys"):
        read_choices(form(members_1='["\\ud800"]'), Document._meta.pk, limit=9)


def test_more_keys_than_a_page_has() -> None:
    data = form(members_1="[1, 2]", members_2="[3, 4]")
    assert len(read_choices(data, Product._meta.pk, limit=4)) == 2
    with pytest.raises(SuspiciousOperation, match="more than 3 keys"):
        read_choices(data, Product._meta.pk, limit=3)
