"""What users of the admin are told of an error."""

from __future__ import annotations

import logging

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.admin.troubles import plain_words
from django_visualsnoop.client.exceptions import AuthenticationError, TransportError


@pytest.mark.parametrize(
    "error", [OSError("pool s3-internal:9000 is full"), ConnectionError("10.0.0.5"), TimeoutError()]
)
def test_an_error_of_a_storage_or_network_is_for_its_operator(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="django_visualsnoop"):
        told = plain_words(error)
    assert told == "A required service is not responding. Try again later."
    assert str(error) in caplog.text
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TransportError("No answer from images.example.com."), "No answer from images"),
        (AuthenticationError("unknown key"), "Check PUBLIC_KEY and SECRET_KEY"),
        (FileNotFoundError("a.png"), "not in the storage"),
        (IsADirectoryError("photos"), "refused to open"),
        (ImproperlyConfigured("VISUALSNOOP has no collection"), "has no collection"),
    ],
)
def test_other_errors_are_told_in_their_own_words(error: Exception, words: str) -> None:
    assert words in plain_words(error)
