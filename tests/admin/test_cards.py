"""How shares are shown."""

from __future__ import annotations

from django_visualsnoop.admin.cards import percent


def test_percent() -> None:
    assert percent(1.0) == "100%"
    assert percent(0.9999) == "99%"
    assert percent(None) == "\N{EN DASH}"
