"""A short run of ``tests.fuzz.headers``, whose long one has a million."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.http import vshmac
from tests.fuzz import headers, spoiled_headers
from tests.server.hosting import tenant

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.http, pytest.mark.django_db]


def mint() -> spoiled_headers.Mint:
    whose = [tenant(), tenant("Other", "bob@example.com")]
    keys = [spoiled_headers.Signer(one.public_key, one.secret) for one in whose]
    return spoiled_headers.Mint(keys, random.Random(1))


def test_no_spoiled_header_is_accepted_or_raises() -> None:
    made = mint()
    for count, judge in (
        (3000, headers.by_rules(made.keys)),
        (200, headers.by_authenticate),
    ):
        tally = headers.run(made, count, judge)
        assert tally.bad == []
        assert ("control", "accepted") in tally.outcomes
        assert len({kind for kind, _ in tally.outcomes}) == len(made.changes) + 2


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        # Decoders take several texts for the same bytes.
        ("is_same_signature", lambda one, other: one.rstrip("=") == other.rstrip("=")),
        ("find_date_problem", lambda date, now: None),
        ("is_public_key", lambda text: 1 / 0),
    ],
)
def test_it_would_be_noticed(
    name: str, broken: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vshmac, name, broken)
    made = mint()
    assert headers.run(made, 500, headers.by_rules(made.keys)).bad
