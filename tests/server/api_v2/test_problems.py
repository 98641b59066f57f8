"""Which status each error has, and what is told of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from django.test import RequestFactory
from ninja.errors import HttpError, ValidationError

from django_visualsnoop.client.exceptions import InvalidImageIdError
from django_visualsnoop.engine.exceptions import (
    EmptyImage,
    ImageExists,
    ImageMissing,
    ImageTooLarge,
    UnsupportedImage,
)
from django_visualsnoop.server.api_v2.problems import build_problem, make_response, refuse_error
from django_visualsnoop.server.content.changes import CursorGone
from django_visualsnoop.server.content.metadata import InvalidMetadata
from django_visualsnoop.server.content.not_duplicates import SameImage
from django_visualsnoop.server.exceptions import Refused

REQUEST = RequestFactory().get("/api/v2/images")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Refused(418, "As it is."), 418, "As it is."),
        (InvalidImageIdError("no id"), 400, "no id"),
        (InvalidMetadata("no metadata"), 400, "no metadata"),
        (SameImage("one image"), 400, "one image"),
        (ImageMissing("no image 'a'"), 404, "no image 'a'"),
        (ImageExists("a exists"), 409, "a exists"),
        (CursorGone("x"), 410, "'x'"),
        (EmptyImage("0 bytes"), 400, "0 bytes"),
        (ImageTooLarge("too many"), 413, "too many"),
        (UnsupportedImage("a PDF"), 415, "a PDF"),
        (Http404("of the resolver's own"), 404, "API v2 does not have this path"),
        (HttpError(400, "Cannot parse"), 400, "Cannot parse."),
        (SuspiciousOperation("a secret"), 400, "cannot read"),
        (OperationalError(1213, "Deadlock found"), 503, "Try again"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_status(
    error: Exception, status: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = refuse_error(error, REQUEST)
    assert refused.status == status
    assert words in refused.message
    assert caplog.records == []


@pytest.mark.parametrize("error", [RuntimeError("a secret"), OperationalError("a secret")])
def test_an_error_of_the_servers_own_is_logged_and_not_told(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        refused = refuse_error(error, REQUEST)
    assert refused.status == 500
    assert "secret" not in refused.message
    assert "Could not answer GET /api/v2/images" in caplog.text
    assert "a secret" in caplog.text


def test_what_is_invalid_is_named_with_its_place() -> None:
    errors: list[dict[str, Any]] = [
        {"loc": ("query", "limit"), "type": "int", "msg": "Not a number", "given": "x" * 90},
        {"loc": ("body", "first", "id"), "type": "missing", "msg": "Field required"},
        *({"loc": ("query", str(n)), "type": "a", "msg": "M", "given": 1} for n in range(9)),
    ]
    told = refuse_error(ValidationError(errors), REQUEST).message
    assert told.startswith(f"query.limit is '{'x' * 59}: Not a number. ")
    assert "body.first.id: Field required." in told
    assert told.count(".2 is 1") == 1
    assert "query.3" not in told  # a few are enough


def test_a_problem_says_what_its_status_means() -> None:
    refused = Refused(409, "a exists", {"Retry-After": "2"})
    response = make_response(refused)
    assert (response.status_code, response["Content-Type"]) == (409, "application/problem+json")
    assert response["Retry-After"] == "2"
    assert build_problem(refused) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "a exists",
    }
