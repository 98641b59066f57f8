"""Names and values of options are refused with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.common.options import (
    BOOLEAN,
    FOLDER,
    POSITIVE_INTEGER,
    SHARE,
    Option,
    check_options,
)

KNOWN = {
    "size": POSITIVE_INTEGER,
    "key": Option("a text", lambda value: isinstance(value, str), is_secret=True),
}


def refusal(given: dict[str, Any]) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        check_options("SETTING", given, KNOWN)
    return str(caught.value)


def test_what_is_right() -> None:
    check_options("SETTING", {}, KNOWN)
    check_options("SETTING", {"size": 5, "key": "abc"}, KNOWN)


def test_an_unknown_name_is_told_with_the_valid_ones() -> None:
    expected = "SETTING has an unknown option 'sise'. Valid options: key, size."
    assert refusal({"size": 5, "sise": 5}) == expected


def test_a_wrong_value_is_told_with_what_to_write() -> None:
    assert refusal({"size": "5"}) == "SETTING[\"size\"] must be a positive integer, not '5'."


def test_a_secret_is_not_shown() -> None:
    assert refusal({"key": b"hush"}) == 'SETTING["key"] must be a text.'


@pytest.mark.parametrize(
    ("option", "right", "wrong"),
    [
        (POSITIVE_INTEGER, [1, 10**12], [0, -1, True, 1.0, "1", None]),
        (SHARE, [0, 0.5, 1], [-0.1, 1.1, True, "0.5", None, float("nan")]),
        (BOOLEAN, [True, False], [1, 0, "yes", None]),
        (FOLDER, ["/var/cache"], ["", None, 5]),
    ],
)
def test_kinds_of_options(option: Option, right: list[object], wrong: list[object]) -> None:
    assert all(map(option.is_valid, right))
    assert not any(map(option.is_valid, wrong))
