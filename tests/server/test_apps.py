"""The server without its extra."""

from __future__ import annotations

import pytest
from django.apps import apps

from django_visualsnoop.exceptions import MissingExtra
from django_visualsnoop.server import apps as server_apps

pytestmark = pytest.mark.django_db


def test_without_its_extra_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_apps, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install \"django-visualsnoop\[server\]\""):
        apps.get_app_config("visualsnoop_server").ready()
