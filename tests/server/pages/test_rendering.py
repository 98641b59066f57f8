from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from django_visualsnoop.server.models import HostedCollection
from django_visualsnoop.server.pages.rendering import FILES_AT_ONCE
from tests.server.pages.conftest import PASSWORD, Person, person, upload, url

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def test_every_answer_is_guarded(ann: Person) -> None:
    hosted = ann.collection()
    anonymous = Client()
    for answer in (
        anonymous.get(url("sign_in")),
        anonymous.get(url("collections")),
        ann.get("collections"),
        ann.get("password"),
        ann.get("search", hosted.pk),
        ann.get("search", "00000000"),
        ann.post("images", hosted.pk, pictures=upload(1)),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert {"no-store", "private"} <= set(answer.headers["Cache-Control"].split(", "))
        # What such a policy refuses, browsers would leave out.
        assert not re.search(r"<style|style=|<script>|\son\w+=", answer.text)


def test_forms_of_other_sites_do_nothing(ann: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann.user)
    data = {"name": "Theirs", "retention": "nothing"}
    assert client.post(url("new_collection"), data).status_code == 403
    assert not HostedCollection.objects.exists()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/").text)
    assert token is not None
    ours = {**data, "csrfmiddlewaretoken": token[1]}
    assert client.post(url("new_collection"), ours).status_code == 302
    hosted = HostedCollection.objects.get()
    theirs = client.post(url("images", hosted.pk), {"pictures": upload(1)})
    assert theirs.status_code == 403


def test_too_much_at_once_is_not_read(ann: Person, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 1000}
    hosted = ann.collection()
    length = FILES_AT_ONCE * 1000 + 2**20 + 1
    answer = ann.client.generic(
        "POST", url("images", hosted.pk), b"x" * length, "multipart/form-data; boundary=b"
    )
    assert answer.status_code == 413
    assert "You sent too much at once" in answer.text
    assert "1000 bytes in one file" in answer.text.replace("\xa0", " ")
    one = ann.post("images", hosted.pk, pictures=upload(1))
    assert one.status_code == 400
    assert "at most 1,000 are allowed" in one.text


def test_signing_in_out_and_another_password() -> None:
    ann, client = person("ann"), Client()
    name = ann.user.username
    wrong = client.post(url("sign_in"), {"username": name, "password": "no"})
    assert "The name or the password is wrong." in wrong.text
    wanted = url("organisations")
    data = {"username": name, "password": PASSWORD}
    for next_page, leads_to in ((wanted, wanted), ("https://elsewhere.example", "/"), ("", "/")):
        answer = client.post(url("sign_in"), {**data, "next": next_page})
        assert answer.url == leads_to  # type: ignore[attr-defined]
    new = "an even better one"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    answer = client.post(url("password"), fields, follow=True)
    assert "The password was changed" in answer.text
    assert client.get("/").status_code == 200
    assert ann.get("collections").status_code == 302  # signed out elsewhere
    assert client.post(url("sign_out")).status_code == 302
    assert client.get("/").status_code == 302
    assert client.login(username=name, password=new)


def test_middleware_that_asks_for_a_login(ann: Person, settings: Settings) -> None:
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    assert Client().get("/").headers["Location"] == f"{url('sign_in')}?next=/"
    assert Client().get(url("sign_in")).status_code == 200
    for name in ("live", "ready"):
        assert Client().get(url(name)).status_code == 200


def test_too_many_files_at_once(ann: Person) -> None:
    """Django's own limit is 100 files; the page says so."""
    hosted = ann.collection()
    files = [SimpleUploadedFile(f"{number}.png", b"x") for number in range(101)]
    answer = ann.post("images", hosted.pk, pictures=files)
    assert answer.status_code == 413
    assert "Send at most 100 files." in answer.text
    many = {f"name{number}": "x" for number in range(1001)}
    assert "You sent too much at once" in ann.post("settings", hosted.pk, **many).text
    broken = ann.client.post(url("images", hosted.pk), b"--x", "multipart/form-data; boundary=")
    assert broken.status_code == 400
    assert "The server cannot read the form" in broken.text


def test_a_long_form_of_anybody(client: Client, db: None) -> None:
    answer = client.post(url("sign_in"), {"username": "x" * 70_000})
    assert answer.status_code == 413
    assert "This form does not accept files." in answer.text
