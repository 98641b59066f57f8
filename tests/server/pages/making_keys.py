"""Making a key on its page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django_visualsnoop.server.tenants.keys import get_live_keys

if TYPE_CHECKING:
    from django_visualsnoop.server.models import HostedCollection
    from tests.server.pages.conftest import Person

ALL = ["read", "search", "write"]


def seen(hosted: HostedCollection) -> str:
    return ",".join(get_live_keys(hosted.pk).values_list("public_key", flat=True))


def make(ann: Person, hosted: HostedCollection, **fields: Any) -> Any:
    data = {"scopes": ALL, "days": "0", "seen": seen(hosted), **fields}
    return ann.post("keys", hosted.pk, **data)


def secret_in(answer: Any) -> str:
    found = re.search(r'id="secret">(\w{40})<', answer.text)
    assert found is not None
    return found[1]
