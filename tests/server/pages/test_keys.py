from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest
from django.contrib.sessions.models import Session

from django_visualsnoop.server.models import HostedCollection, Key
from django_visualsnoop.server.pages import rendering
from django_visualsnoop.server.tenants.keys import get_live_keys, make_key
from tests.server.hosting import Tenant, call
from tests.server.pages.conftest import Person, url
from tests.server.pages.making_keys import make, secret_in, seen

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


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
