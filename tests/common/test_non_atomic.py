"""Views outside of ``ATOMIC_REQUESTS``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.http import HttpResponse

from django_visualsnoop.common.non_atomic import without_atomic_requests

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(databases=["default", "other"], transaction=True)


def transactions_of(view: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the databases in which Django opens a transaction around a view."""
    for alias in connections:
        monkeypatch.setitem(connections[alias].settings_dict, "ATOMIC_REQUESTS", True)
    open_in: list[str] = []

    def looking(*args: Any) -> HttpResponse:
        open_in.extend(alias for alias in connections if connections[alias].in_atomic_block)
        return HttpResponse()

    looking.__dict__.update(view.__dict__)
    BaseHandler().make_view_atomic(looking)(None)
    return open_in


def plain(request: Any) -> HttpResponse:
    return HttpResponse()


def test_no_transaction_in_any_database(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transactions_of(plain, monkeypatch) == list(connections)

    @without_atomic_requests
    def view(request: Any) -> HttpResponse:
        return HttpResponse()

    assert transactions_of(view, monkeypatch) == []
