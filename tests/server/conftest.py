from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.server import mailbox as mailboxes
from tests.server.hosting import Tenant, tenant
from tests.server.mailbox import Mailbox
from tests.server.serving import SERVERS, Served, Servers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django.fixtures import Settings
    from pytest_django.live_server_helper import LiveServer


@pytest.fixture
def ann(db: None) -> Tenant:
    """A collection and a key to it that allows everything."""
    return tenant()


@pytest.fixture(scope="session")
def servers(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of the test project, each started when it is first asked for."""
    running = Servers(tmp_path_factory.mktemp("servers"))
    yield running
    running.stop()


@pytest.fixture(params=SERVERS)
def served(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, live_server: LiveServer
) -> Served:
    """The service over a real socket; its database is empty but for what the test makes."""
    if request.param == "runserver":
        return Served("runserver", live_server.thread.port, tmp_path / "none.log")
    return servers[request.param]


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "kept"
    return tmp_path / "kept"


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    """A mail server. With it, everyone may register."""
    box = Mailbox()
    controller = mailboxes.start(box)
    mailboxes.use(box, settings, REGISTRATION="open")
    yield box
    controller.stop()
