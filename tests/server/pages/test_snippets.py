"""What to type into a program."""

from __future__ import annotations

import html
import inspect
import re
import subprocess
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from django_visualsnoop.client.models import Collection
from django_visualsnoop.collections import collections
from django_visualsnoop.collections.http import HTTPCollection
from django_visualsnoop.server.models import HostedCollection, Key
from tests.server.hosting import call
from tests.server.pages.making_keys import make, secret_in
from tests.server.v2 import ask

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

    from tests.server.pages.conftest import Person

pytestmark = pytest.mark.django_db


def words_of(command: str) -> list[str]:
    """Return what a shell gives to curl, a word in each line."""
    told = command.replace("\ncurl ", "\nprintf '%s\\n' ")
    words = subprocess.run(["sh", "-ec", told], capture_output=True, text=True, check=True)
    return words.stdout.splitlines()


def test_snippets_are_what_a_program_needs(
    ann: Person, hosted: HostedCollection, settings: Settings
) -> None:
    answer = make(ann, hosted)
    secret, key = secret_in(answer), Key.objects.get()
    python, django, curl, curl_v1 = (
        html.unescape(code)
        for code in re.findall(r'<code id="snippet-\d">(.*?)</code>', answer.text, re.DOTALL)
    )
    endpoint = "http://testserver/api/v1"
    names: dict[str, Any] = {}
    exec(django, names)
    settings.VISUALSNOOP = names["VISUALSNOOP"]
    assert isinstance(collections["default"], HTTPCollection)
    assert names["VISUALSNOOP"]["default"]["ENDPOINT"] == endpoint
    assert names["VISUALSNOOP"]["default"]["SECRET_KEY"] == secret
    with mock.patch("django_visualsnoop.client.models.Collection") as client:
        exec(python, {"print": str})
    client.assert_called_once_with(key.public_key, secret, endpoint=endpoint)
    assert inspect.signature(Collection).bind(*client.call_args.args, endpoint=endpoint)

    lines = words_of(curl)
    assert lines[-1] == "http://testserver/api/v2/search?limit=10"
    name, _, value = next(line for line in lines if ": " in line).partition(": ")
    refused = ask(None, "POST", "/search", b"no picture", headers={name: value}, limit=10)
    assert refused.status == 415  # it was let in

    lines = words_of(curl_v1)
    date, authorization = (
        next(line.partition(": ")[2] for line in lines if line.startswith(name))
        for name in ("Date", "Authorization")
    )
    assert lines[-1] == f"{endpoint}/search"
    reply = call(
        None,
        "POST",
        "/search",
        b"no picture",
        {"Date": date, "Authorization": authorization},
    )
    assert reply.status == 415
    assert key.public_key in authorization
