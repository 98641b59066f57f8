from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from django_visualsnoop.server.models import Key, StoredResponse
from django_visualsnoop.server.tenants.keys import (
    NoSuchCollection,
    NoSuchKey,
    TooManyKeys,
    make_key,
    revoke_key,
)
from tests.server.hosting import Tenant, another_key, call, tenant

if TYPE_CHECKING:
    from django_visualsnoop.server.models import HostedCollection


@pytest.mark.django_db
def test_how_keys_look(ann: Tenant) -> None:
    new = make_key(ann.collection_id)
    assert re.fullmatch("[0-9a-f]{8}", ann.collection_id)
    assert re.fullmatch("[0-9a-f]{20}", new.key.public_key)
    assert re.fullmatch("[0-9A-Za-z]{40}", new.secret)
    assert new.secret not in repr(new)
    assert new.secret not in str(vars(new.key))
    assert str(new.key) == new.key.public_key
    assert str(new.key.collection) == "Tests"
    assert str(StoredResponse(fingerprint="abc")) == "abc"


@pytest.mark.django_db
def test_two_keys_may_be_live(ann: Tenant) -> None:
    second = another_key(ann.collection_id, not_before=timezone.now() + timedelta(days=1))
    with pytest.raises(TooManyKeys, match=f"revokekey {ann.public_key}"):
        make_key(ann.collection_id)
    second.change_key(expires_at=timezone.now())
    third = another_key(ann.collection_id)
    revoke_key(ann.public_key)
    assert call(ann, "GET", "/collection").status == 401
    assert call(third, "GET", "/collection").status == 200
    another_key(ann.collection_id)
    for name in (ann.public_key, "nobody's"):
        with pytest.raises(NoSuchKey, match=name):
            revoke_key(name)


@pytest.mark.django_db(transaction=True)
def test_two_made_at_once_are_counted_one_after_the_other() -> None:
    ann = tenant()

    def make(_: int) -> bool:
        try:
            make_key(ann.collection_id)
        except TooManyKeys:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(make, range(3))) == 1


@pytest.mark.django_db
def test_what_cannot_be_made(ann: Tenant) -> None:
    with pytest.raises(NoSuchCollection, match="'ffffffff0'"):
        make_key("ffffffff0")
    with pytest.raises(ValueError, match="Unknown scope 'admin'; use read, search, write"):
        make_key(ann.collection_id, scopes=["read", "admin"])
    with pytest.raises(ValueError, match="at least one scope"):
        make_key(ann.collection_id, scopes=[])
    assert Key.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("limits", [{"min_similarity": 1.5}, {"requests_per_minute": 0}])
def test_impossible_limits_are_not_stored(ann: Tenant, limits: dict[str, float]) -> None:
    collection: HostedCollection = ann.collection
    for name, value in limits.items():
        setattr(collection, name, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        collection.save()
