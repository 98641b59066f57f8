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
from tests.collections.contract import image
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


def codes(answer: Any) -> list[str]:
    found = re.findall(r'<code id="snippet-\d">(.*?)</code>', answer.text, re.DOTALL)
    return [html.unescape(code) for code in found]


def test_snippets_are_what_a_program_needs(
    ann: Person, hosted: HostedCollection, settings: Settings
) -> None:
    answer = make(ann, hosted)
    secret, key = secret_in(answer), Key.objects.get()
    upload, upload_curl, upload_js, python, curl, curl_v1, django = codes(answer)
    endpoint = "http://testserver/api/v1"
    names: dict[str, Any] = {}
    exec(django, names)
    settings.VISUALSNOOP = names["VISUALSNOOP"]
    assert isinstance(collections["default"], HTTPCollection)
    assert names["VISUALSNOOP"]["default"]["ENDPOINT"] == endpoint
    assert names["VISUALSNOOP"]["default"]["SECRET_KEY"] == secret
    for code in (upload, python):
        with mock.patch("django_visualsnoop.client.models.Collection") as client:
            exec(code, {"print": str})
        client.assert_called_once_with(key.public_key, secret, endpoint=endpoint)
    assert inspect.signature(Collection).bind(*client.call_args.args, endpoint=endpoint)

    lines = words_of(curl)
    assert lines[-1] == "http://testserver/api/v2/search?limit=10"
    name, _, value = next(line for line in lines if ": " in line).partition(": ")
    refused = ask(None, "POST", "/search", b"no picture", headers={name: value}, limit=10)
    assert refused.status == 415  # it was let in

    lines = words_of(upload_curl)
    assert lines[:2] == ["--upload-file", "cat.jpg"]
    assert lines[-1] == "http://testserver/api/v2/images/cat"
    assert f"Authorization: Bearer {key.public_key}.{secret}" in lines
    assert f'fetch("{lines[-1]}", {{\n  method: "PUT"' in upload_js
    assert f'"Bearer {key.public_key}.{secret}"' in upload_js
    added = ask(None, "PUT", "/images/cat", image(1), headers={name: value})
    assert added.status == 201

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


def test_a_key_shows_what_it_allows_also_later(ann: Person, hosted: HostedCollection) -> None:
    assert codes(ann.get("keys", hosted.pk)) == []
    answer = make(ann, hosted, scopes=["write"])
    assert ["search" in code for code in codes(answer)[:-1]] == [False] * 3
    secret = secret_in(answer)
    later = codes(ann.get("keys", hosted.pk))
    assert later == [code.replace(secret, "SECRET_KEY") for code in codes(answer)]
