"""Why a picture cannot be used, in the language of the user."""

from __future__ import annotations

import pytest
from django.utils import translation

from django_visualsnoop.client.exceptions import IMAGE_REFUSALS
from django_visualsnoop.common.reasons import translate_reason


@pytest.mark.parametrize("code", [*IMAGE_REFUSALS.values(), "empty", "file_missing"])
def test_every_refusal_is_translated(code: str) -> None:
    with translation.override("en-gb"):
        assert translate_reason(code, "It has 9 pixels.") == "It has 9 pixels."
    with translation.override("de"):
        text = translate_reason(code, "It has 9 pixels.")
    assert "pixels" not in text


def test_what_is_unknown_stays_as_it_is() -> None:
    with translation.override("de"):
        assert translate_reason("teapot", "It is a teapot.") == "It is a teapot."
    with translation.override(None):
        assert translate_reason("empty", "No bytes.") == "No bytes."
