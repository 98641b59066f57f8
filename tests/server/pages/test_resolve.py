"""Resolve the sure groups of a page at once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.removals import restore
from django_visualsnoop.server.models import Removal
from django_visualsnoop.server.pages import resolve as module
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, url
from tests.server.serving import PATIENCE

if TYPE_CHECKING:
    from django_visualsnoop.server.models import HostedCollection

pytestmark = pytest.mark.django_db


def fill(hosted: HostedCollection, groups: int) -> None:
    """Store groups of an image and a copy of it."""
    for number in range(groups):
        for copy in range(2):
            add(hosted, f"{number}-{copy}", image(number))


def read_form(shown: str) -> dict[str, Any]:
    """Return the hidden fields that belong to the resolving form."""
    found: dict[str, Any] = {}
    for name, value in re.findall(
        r'name="((?:group|keep|shown|confirmed)[-\d]*)" value="([^"]+)"', shown
    ):
        found.setdefault(name, []).append(value)
    return found


def ask(who: Person, hosted: HostedCollection) -> Any:
    form = read_form(who.get("duplicates", hosted.pk).text)
    return who.client.post(url("resolve", hosted.pk), form)


def ids(hosted: HostedCollection) -> list[str]:
    return sorted(HostedImages(hosted).store.iterate_ids())


def test_by_the_proposals_after_a_confirmation(ann: Person, hosted: HostedCollection) -> None:
    fill(hosted, 3)
    asked = ask(ann, hosted)
    assert "Yes, resolve these 3 groups" in asked.text
    assert "You can undo this for 30 days." in asked.text
    assert len(ids(hosted)) == 6
    done = ann.client.post(url("resolve", hosted.pk), read_form(asked.text), follow=True)
    assert "Resolved 3 groups." in done.text
    assert ids(hosted) == ["0-0", "1-0", "2-0"]
    for removal in Removal.objects.all():
        restore(HostedImages(hosted), removal.pk)
    assert len(ids(hosted)) == 6


def test_many_groups_need_no_more_queries(ann: Person, hosted: HostedCollection) -> None:
    fill(hosted, 11)
    form = read_form(ann.get("duplicates", hosted.pk).text)
    assert len(form["group"]) == 11
    counts = []
    for groups in (2, 11):
        data = {"group": form["group"][:groups]}
        ann.client.post(url("resolve", hosted.pk), data)
        with CaptureQueriesContext(connection) as queries:
            asked = ann.client.post(url("resolve", hosted.pk), data)
        counts.append(len(queries))
    assert "1 more group of the page comes after these." in asked.text
    assert counts[1] <= 30
    # Files of five groups are read at once.
    assert counts[1] - counts[0] <= 6


def test_what_has_changed_is_left_alone(ann: Person, hosted: HostedCollection) -> None:
    fill(hosted, 2)
    form = read_form(ask(ann, hosted).text)
    HostedImages(hosted).delete("0-0")
    done = ann.client.post(url("resolve", hosted.pk), form, follow=True)
    assert "Resolved 1 group." in done.text
    assert "1 group was not resolved, because it has changed meanwhile." in done.text
    assert ids(hosted) == ["0-1", "1-0"]


def test_only_sure_groups_are_offered(
    ann: Person, hosted: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(hosted, 1)
    form = read_form(ann.get("duplicates", hosted.pk).text)
    monkeypatch.setattr(module, "SURE", 1.1)
    assert "Resolve the sure groups" not in ann.get("duplicates", hosted.pk).text
    asked = ann.client.post(url("resolve", hosted.pk), form)
    assert "None of these groups can be resolved here." in asked.text


@pytest.mark.parametrize(
    "bad", [{"keep-1": "?"}, {"keep-1": "YQ"}, {"shown-1": ["YQ:a", "Yg:b"], "keep-1": "Yw"}]
)
def test_what_is_no_form_of_this_page(
    ann: Person, hosted: HostedCollection, bad: dict[str, Any]
) -> None:
    fill(hosted, 1)
    answer = ann.client.post(url("resolve", hosted.pk), {"confirmed": "1", **bad})
    assert answer.status_code == 404
    assert len(ids(hosted)) == 2


def test_others_may_not(ann: Person, eve: Person, hosted: HostedCollection) -> None:
    fill(hosted, 1)
    form = read_form(ask(ann, hosted).text)
    assert eve.client.post(url("resolve", hosted.pk), form).status_code == 404
    assert eve.get("removed", hosted.pk).status_code == 404
    assert len(ids(hosted)) == 2


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_at_once(ann: Person, hosted: HostedCollection) -> None:
    fill(hosted, 4)
    form = read_form(ask(ann, hosted).text)
    # The other one keeps the other image of each group.
    others = {}
    for name in list(form):
        if name.startswith("keep-"):
            addresses = [one.partition(":")[0] for one in form[name.replace("keep", "shown")]]
            others[name] = [one for one in addresses if one not in form[name]]
    going = Barrier(2)

    def send(data: dict[str, Any]) -> Any:
        try:
            client = Client()
            client.force_login(ann.user)
            going.wait(PATIENCE)
            return client.post(url("resolve", hosted.pk), data, follow=True)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as two:
        answers = list(two.map(send, [form, form | others]))
    counts = [re.search(r"Resolved (\d) group", answer.text) for answer in answers]
    assert sum(int(count[1]) for count in counts if count is not None) == 4
    assert [one[0] for one in ids(hosted)] == list("0123")
    assert Removal.objects.count() == 4
