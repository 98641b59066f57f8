"""The options of commands that make keys, and what these print."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError
from django.core.management.base import CommandParser

from django_visualsnoop.server.management.options import (
    add_key_options,
    format_key,
    parse_key_options,
)
from django_visualsnoop.server.tenants.keys import SCOPES, make_key

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from tests.server.hosting import Tenant


def parse(*words: str) -> dict[str, Any]:
    parser = CommandParser(formatter_class=argparse.HelpFormatter)
    add_key_options(parser)
    return parse_key_options(vars(parser.parse_args(words)))


def test_without_options_a_key_allows_everything_for_ever() -> None:
    assert parse() == {
        "scopes": list(SCOPES),
        "not_before": None,
        "expires_at": None,
        "allow_v1": True,
    }


def test_scopes_are_separated_by_commas() -> None:
    found = parse("--scopes", " read ,search", "--no-v1")
    assert (found["scopes"], found["allow_v1"]) == (["read", "search"], False)


def test_a_time_without_a_zone_is_in_that_of_the_project(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    found = parse("--not-before", "2030-01-31T12:00:00", "--expires", "2030-06-30T12:00:00+00:00")
    assert found["not_before"].isoformat() == "2030-01-31T12:00:00+01:00"
    assert found["expires_at"].isoformat() == "2030-06-30T12:00:00+00:00"


@pytest.mark.parametrize("option", ["--not-before", "--expires"])
@pytest.mark.parametrize("text", ["tomorrow", "2030-02-31T12:00:00", "12:00", ""])
def test_a_time_that_cannot_be_read_is_named(option: str, text: str) -> None:
    with pytest.raises(CommandError, match=f"^{option} must be a time .*, not {text!r}"):
        parse(option, text)


def test_a_key_is_shown_with_its_secret(ann: Tenant) -> None:
    new = make_key(ann.collection_id)
    assert json.loads(format_key(new)) == {
        "collection_id": ann.collection_id,
        "public_key": new.key.public_key,
        "secret_key": new.secret,
    }
