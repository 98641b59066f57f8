"""Three servers on three addresses behind nginx, as the documentation configures it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection

from tests.collections.contract import image
from tests.server.database_urls import get_url
from tests.server.hosting import Tenant, signed
from tests.server.project.installed import PASSWORD, ROOT, Installed, ask, sign_in
from tests.server.serving import PATIENCE
from tests.services import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker

pytestmark = [pytest.mark.http, pytest.mark.slow, pytest.mark.service("nginx")]

NAME = "images.example.com"
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


@dataclass
class Site:
    """The servers and what is in front of them."""

    command: Installed
    folder: Path
    port: int
    #: By address and port.
    servers: dict[str, subprocess.Popen[str]]
    ann: Tenant
    #: From where a client comes.
    client: str = "127.0.0.1"
    trust: ssl.SSLContext = field(default_factory=ssl._create_unverified_context)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1",
            self.port,
            timeout=PATIENCE,
            context=self.trust,
            source_address=(self.client, 0),
        )

    def ask(self, method: str, path: str, **headers: str) -> Any:
        return ask(self.connect, method, path, Host=NAME, **headers)

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Call API v1; return the status and the answer, which is empty if it is nginx's own."""
        path = f"/api/v1{path}"
        sent = self.connect()
        try:
            fields = headers or signed(self.ann, method, path)
            sent.request(method, path, body, {**fields, "Host": NAME})
            response = sent.getresponse()
            text = response.read()
            is_json = response.headers["Content-Type"] == "application/json"
            return response.status, json.loads(text) if is_json else {}
        finally:
            sent.close()

    def read_log(self) -> list[str]:
        """Return which servers have answered, one after the other."""
        return (self.folder / "access.log").read_text().split("\n")[:-1]


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site"), django_db_blocker) as running:
        yield running


@contextmanager
def serving(folder: Path, blocker: DjangoDbBlocker) -> Iterator[Site]:
    name = f"{connection.settings_dict['NAME']}_{folder.name}"
    with blocker.unblock():
        url = make_database(folder, name)
    common = {
        "VISUALSNOOP_DATABASE": url,
        "VISUALSNOOP_SECRET_KEY": "of all servers",
        "VISUALSNOOP_HOSTS": NAME,
        "VISUALSNOOP_HTTPS": "1",
    }
    commands = [Installed(folder / f"data-{number}", **common) for number in range(len(HOSTS))]
    done = commands[0].run("createuser", "ann@example.com", "--password-stdin", given=PASSWORD)
    assert done.returncode == 0, done.stderr
    words = ("visualsnoop_createcollection", "--owner", "ann@example.com", "--name", "n")
    key = json.loads(commands[0].run(*words).stdout)
    ann = Tenant(key["collection_id"], key["public_key"], key["secret_key"])
    servers: dict[str, subprocess.Popen[str]] = {}
    proxy = None
    try:
        for command, host in zip(commands, HOSTS, strict=True):
            process, port = command.start(host)
            servers[f"{host}:{port}"] = process
        proxy, port = start_nginx(folder, list(servers))
        yield Site(commands[0], folder, port, servers, ann)
    finally:
        for process in [*servers.values(), *([] if proxy is None else [proxy])]:
            process.terminate()
            process.communicate(timeout=60)
        with blocker.unblock():
            drop_database(name)


def make_database(folder: Path, name: str) -> str:
    """Make an empty database beside that of the tests; return its URL."""
    if connection.vendor == "sqlite":
        return get_url(str(folder / "site.sqlite3"))
    drop_database(name)
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return get_url(name)


def drop_database(name: str) -> None:
    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def start_nginx(folder: Path, servers: list[str]) -> tuple[subprocess.Popen[str], int]:
    """Start nginx with the configuration of the documentation."""
    text = (ROOT / "docs" / "server_running.rst").read_text()
    upstream, block = (
        re.findall(rf"\n( +{name} {{.*?\n    }}\n)", text, re.DOTALL)[0]
        for name in ("upstream visualsnoop", "server")
    )
    addresses = iter(servers)
    block += re.sub(r"10\.0\.0\.1\d:8000", lambda _: next(addresses), upstream)
    assert next(addresses, None) is None
    block = block.replace("http://127.0.0.1:8000", "http://visualsnoop")
    make_certificate(folder)
    block = re.sub(r"/etc/ssl/images\.example\.com", str(folder / "site"), block)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    block = block.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    folders = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder / 'nginx.pid'}; error_log stderr;\n"
        f"events {{}}\nhttp {{\n{folders}log_format who '$upstream_addr';\n"
        f"access_log {folder / 'access.log'} who;\nproxy_bind 127.0.0.1;\n{block}}}\n"
    )
    command = [require("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, (folder / "nginx.log").read_text()
            assert time.monotonic() < give_up
            time.sleep(0.05)
        else:
            return process, port


def make_certificate(folder: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "site.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "site.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def test_a_session_holds_on_each_server(site: Site) -> None:
    site = replace(site, client="127.0.0.8")
    status, headers, _ = sign_in(site.connect, PASSWORD, Host=NAME)
    assert status == 302
    cookie = "; ".join(one.partition(";")[0] for one in headers.get_all("Set-Cookie"))
    before = len(site.read_log())
    for _ in range(9):
        assert site.ask("GET", "/", Cookie=cookie)[0] == 200
        assert site.ask("GET", "/")[0] == 302
    assert set(site.read_log()[before:]) == set(site.servers)


def test_what_one_server_stores_the_others_find(site: Site) -> None:
    before = len(site.read_log())
    for number in range(6):
        assert site.send("PUT", f"/image/{number}", image(3))[0] == 201
        for _ in range(3):
            _, found = site.send("GET", "/search/0")
            assert {one["id"] for one in found["results"]} == set(map(str, range(1, number + 1)))
    assert set(site.read_log()[before:]) == set(site.servers)


def test_a_limit_counts_the_requests_to_all_servers(site: Site) -> None:
    limit = 5
    update = (
        "from django_visualsnoop.server.models import HostedCollection; "
        "HostedCollection.objects.update(requests_per_minute={})"
    )
    before, began = len(site.read_log()), time.monotonic()
    try:
        assert site.command.run("shell", "-c", update.format(limit)).returncode == 0
        statuses = Counter(site.send("GET", "/collection")[0] for _ in range(4 * limit))
    finally:
        site.command.run("shell", "-c", update.format(None))
    assert set(statuses) == {200, 429}
    # As time passes, there may be some more.
    assert limit <= statuses[200] <= limit + 1 + (time.monotonic() - began) * limit / 60
    assert set(site.read_log()[before:]) == set(site.servers)


def test_wrong_passwords_lock_all_servers(site: Site) -> None:
    before = len(site.read_log())
    statuses = [sign_in(site.connect, "wrong", Host=NAME)[0] for _ in range(5)]
    assert statuses[-1] == 429
    # Which of them are asked in turn is nginx's business: each page and each form counts.
    refused = [sign_in(site.connect, PASSWORD, Host=NAME)[0] for _ in range(4)]
    assert refused == [429] * 4
    assert set(site.read_log()[before:]) == set(site.servers)
    elsewhere = replace(site, client="127.0.0.9")
    assert sign_in(elsewhere.connect, PASSWORD, Host=NAME)[0] == 302


@dataclass
class Sent:
    began: float
    ended: float
    status: int
    image_id: str | None
    headers: dict[str, str]
    body: bytes


def test_one_is_killed_under_load(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    """Only what it was doing then may fail, and nothing that it has confirmed is lost."""
    with serving(tmp_path, django_db_blocker) as site:
        kill_under_load(site)


def kill_under_load(site: Site) -> None:
    site.send("PUT", "/image/known", image(4))
    sent: list[Sent] = []
    stop = threading.Event()

    def work(thread: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            image_id = f"load-{thread}-{number}" if thread % 2 else None
            method, path = ("POST", f"/image/{image_id}") if image_id else ("GET", "/search/known")
            headers = signed(site.ann, method, f"/api/v1{path}")
            body = image(number) if image_id else b""
            began = time.monotonic()
            status = site.send(method, path, body, headers)[0]
            sent.append(Sent(began, time.monotonic(), status, image_id, headers, body))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    wait_for_more(sent, 40)
    victim = site.servers[list(site.servers)[1]]
    killed_from = time.monotonic()
    victim.send_signal(signal.SIGKILL)
    victim.wait(PATIENCE)
    killed_until = time.monotonic()
    wait_for_more(sent, 80)
    stop.set()
    for thread in threads:
        thread.join()

    failed = [one for one in sent if one.status not in (200, 201)]
    assert {one.status for one in failed} <= {502}
    for one in failed:
        assert one.image_id is not None  # nginx asks another server for what changes nothing
        assert one.began <= killed_until
        assert one.ended >= killed_from
    for one in failed:  # once more, as it was
        status, answer = site.send("POST", f"/image/{one.image_id}", one.body, one.headers)
        assert (status, answer["message"]) == (201, "Added")
    for one in sent:
        if one.image_id is not None:
            assert site.send("GET", f"/image/{one.image_id}")[0] == 200


def wait_for_more(sent: list[Sent], count: int) -> None:
    wanted, give_up = len(sent) + count, time.monotonic() + PATIENCE
    while len(sent) < wanted:
        assert time.monotonic() < give_up
        time.sleep(0.01)
