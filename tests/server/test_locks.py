"""SQLite as a project has it that ``startproject`` made: what is written while others write.

Django's default transaction mode is used, and another connection writes after the first read of
each transaction: SQLite then lets a transaction that has read, and not written yet, not write.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client

from django_visualsnoop.server import transactions
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.redescribe import redescribe_collection
from django_visualsnoop.server.models import Key, Membership, Organisation
from django_visualsnoop.server.tenants.keys import make_key
from django_visualsnoop.server.tenants.tenancy import hash_address
from tests.collections.contract import image
from tests.server.hosting import Tenant, call
from tests.server.pages.conftest import PASSWORD, url
from tests.server.v2 import ask, base64, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django.fixtures import Settings

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite has one writer at a time"),
]


@pytest.fixture(autouse=True)
def _as_startproject_makes_it(
    settings: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path / "kept"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(transactions, "PATIENCE", 0)  # what is refused is not tried again
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", None)
        connection.close()
        yield
    connection.close()  # the next test's has its own mode


@contextmanager
def opened(timeout: float = 0) -> Iterator[sqlite3.Connection]:
    other = sqlite3.connect(
        str(connection.settings_dict["NAME"]),
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


class OthersWrite:
    """After the first read inside of each transaction, another connection begins to write.

    It ends once the reader has met it: at the next statement that is refused, or is no read.
    """

    def __init__(self, other: sqlite3.Connection) -> None:
        self.other = other
        self.written = 0
        self._read = False

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not connection.in_atomic_block:
            self._read = False
        answer = execute(sql, params, many, context)
        if connection.in_atomic_block and sql.startswith("SELECT") and not self._read:
            self._read = True
            self._write()
        return answer

    def _write(self) -> None:
        try:
            self.other.execute("BEGIN IMMEDIATE")
            self.other.execute("UPDATE auth_group SET name = name WHERE 0")
            self.other.execute("INSERT INTO auth_group (name) VALUES (hex(randomblob(16)))")
            self.other.execute("COMMIT")
        except sqlite3.OperationalError:
            # We write, and so the others wait; or we read, and so their commit does.
            if self.other.in_transaction:
                self.other.execute("ROLLBACK")
                raise AssertionError("a transaction read before it wrote") from None
        else:
            self.written += 1


@contextmanager
def others_writing() -> Iterator[None]:
    with opened() as other, connection.execute_wrapper(OthersWrite(other)):
        yield


def pair(ann: Tenant) -> dict[str, str]:
    return {"first_id": "a", "second_id": "b"}


def imported(ann: Tenant) -> Any:
    lines = ask(ann, "GET", "/export").content.splitlines()
    one = json.loads(lines[1])
    more = [json.dumps({**one, "id": name}).encode() for name in ("x", "y")]
    said = json.dumps({"not_duplicates": ["x", "y"]}).encode()
    body = b"\n".join([lines[0], *more, said, b'{"end": true, "images": 2}'])
    return ask(ann, "POST", "/import", body)


V2: dict[str, Callable[[Tenant], Any]] = {
    "add": lambda ann: ask(ann, "POST", "/images?metadata=%7B%22a%22:1%7D", image(2)),
    "put": lambda ann: ask(ann, "PUT", "/images/new?metadata=%7B%22a%22:1%7D", image(2)),
    "replace": lambda ann: ask(ann, "PUT", "/images/a", image(2)),
    "delete": lambda ann: ask(ann, "DELETE", "/images/a"),
    "metadata": lambda ann: ask(ann, "PUT", "/metadata/a", b'{"b": 2}'),
    "bulk add": lambda ann: ask(
        ann,
        "POST",
        "/bulk/add",
        data={"images": [{"id": "n", "content": base64(image(3))}], "replace": True},
    ),
    "bulk delete": lambda ann: ask(ann, "POST", "/bulk/delete", data={"ids": ["a"]}),
    "not duplicates": lambda ann: ask(ann, "PUT", "/not-duplicates", data=pair(ann)),
    "take back": lambda ann: ask(ann, "DELETE", "/not-duplicates?first_id=a&second_id=c"),
    "import": imported,
    "collection": lambda ann: ask(ann, "GET", "/collection"),
    "changes": lambda ann: ask(ann, "GET", "/changes"),
    "search": lambda ann: ask(ann, "POST", "/search", image(1)),
    "groups": lambda ann: ask(ann, "GET", "/groups"),
}
V1: dict[str, Callable[[Tenant], Any]] = {
    "collection": lambda ann: call(ann, "GET", "/collection"),
    "add": lambda ann: call(ann, "POST", "/image", image(2)),
    "add again": lambda ann: call(ann, "POST", "/image/new", image(2)),
    "put": lambda ann: call(ann, "PUT", "/image/new", image(2)),
    "replace": lambda ann: call(ann, "PUT", "/image/a", image(2)),
    "delete": lambda ann: call(ann, "DELETE", "/image/a"),
    "search": lambda ann: call(ann, "POST", "/search", image(1)),
}


@pytest.fixture
def filled(ann: Tenant) -> Tenant:
    """With limits, so that everything is counted, and with pictures that are kept."""
    ann.limit(
        retention="originals", max_images=99, requests_per_minute=99_999, bytes_per_day=10**12
    )
    for name, seed in (("a", 1), ("b", 1), ("c", 1)):
        put(ann, name, seed, sku=seed)
    ask(ann, "PUT", "/not-duplicates", data={"first_id": "a", "second_id": "c"})
    Key.objects.update(last_used_at=None)
    return ann


@pytest.mark.parametrize("name", V1)
def test_api_v1(filled: Tenant, name: str) -> None:
    with others_writing():
        assert V1[name](filled).status in (200, 201)


@pytest.mark.parametrize("name", V2)
def test_api_v2(filled: Tenant, name: str) -> None:
    with others_writing():
        answer = V2[name](filled)
    assert answer.status in (200, 201, 204)
    if name.startswith("bulk"):
        assert answer.body["outcomes"][0]["status"] in (201, 204)


@pytest.fixture
def browser(filled: Tenant) -> Client:
    """Of the owner of the collection, and of an organisation, who may use the admin, too."""
    user = get_user_model().objects.get()
    user.set_password(PASSWORD)
    user.is_staff = user.is_superuser = True
    user.save()
    desk = Organisation.objects.create(pk=1, name="Desk")
    Membership.objects.create(pk=1, organisation=desk, user=user, role="owner")
    bob = get_user_model().objects.create_user("bob", "bob@example.com")
    Membership.objects.create(pk=2, organisation=desk, user=bob)
    for pk, email in ((1, "cid@example.com"), (2, str(user.email))):
        invited = Organisation.objects.create(pk=pk + 1, name="More") if pk == 2 else desk
        invited.invitations.create(pk=pk, email=email, digest=hash_address(email), role="member")
    client = Client()
    client.force_login(user)
    return client


def shown(filled: Tenant, name: str, *args: object) -> str:
    return url(name, *([filled.collection_id] if args == () else args))


PAGES: dict[str, Callable[[Client, Tenant], Any]] = {
    "sign in": lambda _, ann: Client().post(
        url("sign_in"), {"username": "ann@example.com", "password": PASSWORD}
    ),
    "new": lambda page, ann: page.post(
        url("new_collection"), {"name": "n", "retention": "nothing"}
    ),
    "settings": lambda page, ann: page.post(
        shown(ann, "settings"), {"name": "n", "retention": "thumbnails", "organisation": "1"}
    ),
    "delete": lambda page, ann: page.post(shown(ann, "delete_collection"), {"name": "Tests"}),
    "upload": lambda page, ann: page.post(
        shown(ann, "images"), {"pictures": [SimpleUploadedFile("new.png", image(2))]}
    ),
    "delete image": lambda page, ann: page.post(url("delete_image", ann.collection_id, "a")),
    "make key": lambda page, ann: page.post(
        shown(ann, "keys"), {"scopes": "read", "days": "0", "seen": ann.public_key}
    ),
    "rotate": lambda page, ann: page.post(
        url("rotate", ann.collection_id, ann.public_key), {"seen": ann.public_key}
    ),
    "revoke": lambda page, ann: page.post(url("revoke", ann.collection_id, ann.public_key)),
    "not_duplicates": lambda page, ann: page.post(
        shown(ann, "not_duplicates"), {"image": "YQ", "member": "Yg"}
    ),
    "unmark_not_duplicates": lambda page, ann: page.post(
        shown(ann, "unmark_not_duplicates"), {"member": ["YQ", "Yw"]}
    ),
    "organisation": lambda page, ann: page.post(url("organisations"), {"name": "n"}),
    "member": lambda page, ann: page.post(
        url("organisation", 1), {"email": "bob@example.com", "role": "owner"}
    ),
    "invite": lambda page, ann: page.post(
        url("organisation", 1), {"email": "dan@example.com", "role": "member"}
    ),
    "withdraw": lambda page, ann: page.post(url("withdraw", 1, 1)),
    "accept": lambda page, ann: page.post(url("accept", 2)),
    "decline": lambda page, ann: page.post(url("decline", 2)),
    "remove": lambda page, ann: page.post(url("remove_member", 1, 2)),
    "delete organisation": lambda page, ann: page.post(url("delete_organisation", 1)),
    "admin: change": lambda page, ann: page.post(
        f"/admin/visualsnoop_server/hostedcollection/{ann.collection_id}/change/",
        {"name": "n", "retention": "nothing", "owner": str(ann.collection.owner_id)},
    ),
    "admin: delete": lambda page, ann: page.post(
        f"/admin/visualsnoop_server/hostedcollection/{ann.collection_id}/delete/", {"post": "yes"}
    ),
    "admin: revoke": lambda page, ann: page.post(
        "/admin/visualsnoop_server/key/", {"action": "revoke", "_selected_action": ann.key.pk}
    ),
    "admin: add": lambda page, ann: page.post(
        "/admin/visualsnoop_server/organisation/add/",
        {"name": "n", "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"},
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages(browser: Client, filled: Tenant, name: str) -> None:
    with others_writing():
        answer = PAGES[name](browser, filled)
    assert answer.status_code == (200 if name in ("make key", "rotate") else 302)


@pytest.mark.parametrize(
    "name", ["sign in", "settings", "upload", "not_duplicates", "member", "accept"]
)
def test_pages_in_djangos_own_transaction(
    browser: Client, filled: Tenant, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    test_pages(browser, filled, name)


def test_commands(filled: Tenant) -> None:
    with others_writing():
        for words in (
            ("visualsnoop_createcollection", "--owner", "new@example.com", "--name", "n"),
            ("visualsnoop_createkey", filled.collection_id),
            ("visualsnoop_revokekey", filled.public_key),
            ("visualsnoop_reencrypt",),
            ("visualsnoop_redescribe",),
            ("visualsnoop_sweeppictures",),
        ):
            call_command(*words)
        assert list(redescribe_collection(filled.collection)) == []


def test_who_waits_in_vain_is_told_to_come_back(
    browser: Client, filled: Tenant, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is logged as an error, and nothing is left of what was not done."""
    files = sorted(Path(settings.MEDIA_ROOT).rglob("*"))
    connection.ensure_connection()
    connection.connection.execute("PRAGMA busy_timeout = 100")
    with opened() as other:
        other.execute("BEGIN IMMEDIATE")
        replies: list[Any] = [
            call(filled, "PUT", "/image/new", image(2)),
            call(filled, "POST", "/image/new", image(2)),
            ask(filled, "PUT", "/images/new", image(2)),
            ask(filled, "DELETE", "/images/a"),
        ]
        page = browser.post(url("delete_image", filled.collection_id, "a"))
        other.execute("ROLLBACK")
    assert [reply.status for reply in replies] == [503] * 4
    assert all(int(reply.headers["Retry-After"]) > 0 for reply in replies)
    assert page.status_code == 503
    assert int(page.headers["Retry-After"]) > 0
    assert files == sorted(Path(settings.MEDIA_ROOT).rglob("*"))
    assert ask(filled, "GET", "/images/new").status == 404
    assert ask(filled, "GET", "/images/a").status == 200


def test_reading_needs_no_lock(browser: Client, ann: Tenant) -> None:
    """Noting that a key was used is put off, and does not wait either."""
    hours = 3600_000
    ann.limit(requests_per_minute=None, bytes_per_day=None)
    Key.objects.update(last_used_at=None)
    ask(ann, "GET", "/search/a")
    Key.objects.update(last_used_at=None)
    connection.connection.execute(f"PRAGMA busy_timeout = {hours}")
    with opened() as other:
        other.execute("BEGIN IMMEDIATE")
        for path in ("/images", "/count", "/collection", "/changes", "/search/a", "/groups"):
            assert ask(ann, "GET", path).status == 200
        assert ask(ann, "POST", "/search", image(1)).status == 200
        for path in ("/collection", "/images", "/image/a", "/search/a"):
            assert call(ann, "GET", path).status == 200
        for name in ("search", "images", "duplicates", "keys", "settings"):
            assert browser.get(url(name, ann.collection_id)).status_code == 200
        assert Client().get(url("sign_in")).status_code == 200
        other.execute("ROLLBACK")
    (waits,) = connection.connection.execute("PRAGMA busy_timeout").fetchone()
    assert waits == hours
    assert ann.key.last_used_at is None
    assert ask(ann, "GET", "/images").status == 200
    assert ann.key.last_used_at is not None


def test_a_slow_storage_keeps_nobody_from_writing(
    filled: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are stored before the transaction that names them begins."""
    storage = type(pictures.get_storage())
    save = storage.save

    def saved(self: Any, *args: Any, **kwargs: Any) -> str:
        assert not connection.in_atomic_block
        with opened() as other:
            other.execute("BEGIN IMMEDIATE")
        return str(save(self, *args, **kwargs))

    monkeypatch.setattr(storage, "save", saved)
    assert call(filled, "POST", "/image/one", image(2)).status == 201
    assert call(filled, "PUT", "/image/one", image(3)).status == 200
    assert ask(filled, "POST", "/images", image(4)).status == 201
    assert ask(filled, "PUT", "/images/two", image(5)).status == 201


def test_two_writers_at_once(filled: Tenant) -> None:
    """One waits for the other, who holds the lock while it begins."""
    with opened(timeout=10) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, other.execute, ["COMMIT"])
        timer.start()
        assert call(filled, "PUT", "/image/new", image(2)).status == 201
        timer.join()


def test_keys_are_still_counted(filled: Tenant) -> None:
    make_key(filled.collection_id)
    with pytest.raises(ValueError, match="has 2 active keys"):
        make_key(filled.collection_id)
