from __future__ import annotations

from uuid import UUID

import pytest

from django_visualsnoop.client.exceptions import InvalidImageIdError, VisualSnoopError
from django_visualsnoop.client.ids import check_image_id


@pytest.mark.parametrize(
    ("image_id", "problem"),
    [
        ("", "'' is empty"),
        ("é" * 101, "has 101 characters; at most 100"),
        ("a\0b", "NUL"),
        ("a\ud800", "surrogate"),
        (".", r"'\.' is '\.' or '\.\.'"),
        ("a/../b", r"between slashes"),
        (None, "must be a str, not NoneType"),
        (b"a", "must be a str, not bytes"),
        (True, "must be a str, not bool"),
    ],
)
def test_an_impossible_id_is_refused_with_its_problem(image_id: object, problem: str) -> None:
    with pytest.raises(InvalidImageIdError, match=problem) as caught:
        check_image_id(image_id)
    assert isinstance(caught.value, VisualSnoopError)
    assert isinstance(caught.value, ValueError)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidImageIdError) as caught:
        check_image_id("x" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("image_id", ["a", "x" * 100, "...", ".a/..b", " ", "\n", "日" * 100])
def test_any_other_string_stays_as_it_is(image_id: str) -> None:
    assert check_image_id(image_id) == image_id


def test_numbers_and_uuids_are_written_out() -> None:
    assert check_image_id(7) == "7"
    written = "b3b1a5d0-0d5f-4a52-9a43-0f3f7e7c9f10"
    assert check_image_id(UUID(written)) == written
