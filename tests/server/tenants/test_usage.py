from __future__ import annotations

import pytest

from django_visualsnoop.server.tenants.usage import get_usage
from tests.server.hosting import Tenant, call
from tests.server.v2 import ask, put

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_was_counted_holds_until_the_next_change(ann: Tenant) -> None:
    """It is remembered, so each change has to be told from those before."""
    counts = [get_usage(ann.collection).images]
    for name in ("a", "b"):
        put(ann, name, 1)
        counts.append(get_usage(ann.collection).images)
    added = get_usage(ann.collection)
    assert counts == [0, 1, 2]
    put(ann, "a", 2)
    replaced = get_usage(ann.collection)
    assert replaced.images == 2
    assert added.changed is not None
    assert replaced.changed is not None
    assert replaced.changed > added.changed
    call(ann, "DELETE", "/image/a")
    deleted = get_usage(ann.collection)
    assert (deleted.images, deleted.bytes < replaced.bytes) == (1, True)
    assert ask(ann, "GET", "/count").body == {"count": 1}
