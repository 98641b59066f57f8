from __future__ import annotations

import html
import inspect
import re
import subprocess
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from django_visualsnoop.client.models import Collection
from django_visualsnoop.collections import collections
from django_visualsnoop.collections.http import HTTPCollection
from django_visualsnoop.server.models import HostedCollection, Key
from django_visualsnoop.server.pages import rendering
from django_visualsnoop.server.tenants.keys import get_live_keys, make_key
from tests.server.hosting import Tenant, call
from tests.server.pages.conftest import Person, url
from tests.server.v2 import ask

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

ALL = ["read", "search", "write"]


@pytest.fixture
def hosted(ann: Person) -> HostedCollection:
    return ann.collection()


def seen(hosted: HostedCollection) -> str:
    return ",".join(get_live_keys(hosted.pk).values_list("public_key", flat=True))


def make(ann: Person, hosted: HostedCollection, **fields: Any) -> Any:
    data = {"scopes": ALL, "days": "0", "seen": seen(hosted), **fields}
    return ann.post("keys", hosted.pk, **data)


def secret_in(answer: Any) -> str:
    found = re.search(r'id="secret">(\w{40})<', answer.text)
    assert found is not None
    return found[1]


def test_the_secret_is_shown_this_once_and_works(ann: Person, hosted: HostedCollection) -> None:
    answer = make(ann, hosted)
    key = Key.objects.get()
    secret = secret_in(answer)
    assert call(Tenant(hosted.pk, key.public_key, secret), "GET", "/collection").status == 200
    assert "no-store" in answer.headers["Cache-Control"]
    session = Session.objects.get()
    assert secret not in str(session.get_decoded()) + str(ann.client.cookies)
    again = ann.get("keys", hosted.pk).text
    assert key.public_key in again
    assert secret not in again
    assert key.encrypted_secret not in again + answer.text


def test_an_error_shows_no_secret(
    ann: Person, hosted: HostedCollection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG = True
    ann.client.raise_request_exception = False
    fails = mock.Mock(side_effect=RuntimeError("while it was shown"))
    monkeypatch.setattr(rendering, "render", fails)
    answer = make(ann, hosted)
    assert answer.status_code == 500
    assert "while it was shown" in answer.text
    secret = fails.call_args.args[2]["new"].secret
    assert len(secret) == 40
    assert secret not in answer.text


def test_what_it_allows_and_for_how_long(ann: Person, hosted: HostedCollection) -> None:
    make(ann, hosted, scopes=["search"], days="30")
    key = Key.objects.get()
    assert (key.may_read, key.may_search, key.may_write) == (False, True, False)
    assert key.expires_at is not None
    assert 29 <= (key.expires_at - timezone.now()).days <= 30
    none = make(ann, hosted, scopes=[])
    assert none.status_code == 400
    assert "Choose at least one" in none.text
    assert Key.objects.count() == 1


def test_reloading_the_answer_makes_no_second_key(ann: Person, hosted: HostedCollection) -> None:
    before = seen(hosted)
    make(ann, hosted, seen=before)
    again = make(ann, hosted, seen=before)
    assert again.status_code == 409
    assert "No key was created." in again.text
    assert Key.objects.count() == 1


def test_rotating_and_revoking(ann: Person, hosted: HostedCollection) -> None:
    old = make_key(hosted.pk, scopes=["search"], allow_v1=False).key
    answer = ann.post("rotate", hosted.pk, old.public_key, seen=seen(hosted))
    new = Key.objects.exclude(pk=old.pk).get()
    assert (new.may_read, new.may_search, new.allow_v1) == (False, True, False)
    assert url("revoke", hosted.pk, old.public_key) in answer.text
    assert "first revoke one of these" in ann.get("keys", hosted.pk).text
    assert make(ann, hosted).status_code == 409  # two are live
    assert "Revoke the key" in ann.get("revoke", hosted.pk, old.public_key).text
    assert old.revoked_at is None
    ann.post("revoke", hosted.pk, old.public_key)
    assert list(get_live_keys(hosted.pk)) == [new]
    assert f"The key {old.public_key} was revoked" in ann.get("keys", hosted.pk).text
    assert ann.post("revoke", hosted.pk, old.public_key).status_code == 404


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
