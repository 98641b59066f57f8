"""What the server's commands print, and what they refuse."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from tests.server.hosting import Tenant


def made(capsys: pytest.CaptureFixture[str], name: str, *arguments: str) -> Tenant:
    call_command(f"visualsnoop_{name}", *arguments)
    shown: dict[str, str] = json.loads(capsys.readouterr().out)
    assert set(shown) == {"collection_id", "public_key", "secret_key"}
    return Tenant(shown["collection_id"], shown["public_key"], shown["secret_key"])


def refused(name: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(f"visualsnoop_{name}", *arguments)
    return str(caught.value)
