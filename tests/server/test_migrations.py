"""The server's tables keep their columns while processes of two versions run."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from django_visualsnoop.engine.models import NotDuplicate
from django_visualsnoop.engine.storage.not_duplicates import mark_pairs
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.models import HostedCollection, Key, Retention, StoredResponse
from tests.engine.storage.test_store import new
from tests.fixtures import migrate
from tests.server.hosting import tenant

if TYPE_CHECKING:
    from django.db.migrations.state import StateApps

APP = "visualsnoop_server"
BEFORE = (APP, "0004_invitation")


def state_of(target: tuple[str, str]) -> StateApps:
    return MigrationExecutor(connection).loader.project_state([target]).apps


def columns(table: str) -> set[str]:
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
    return {column.name for column in described}


@pytest.mark.django_db
def test_words_change_and_columns_stay() -> None:
    """Processes of the version before read and write the same rows in the same tables."""
    old = state_of(BEFORE)
    for name in ("HostedCollection", "Key", "Outcome"):
        table = old.get_model(APP, name)._meta
        assert {field.column for field in table.concrete_fields} <= columns(table.db_table)
    owner = get_user_model().objects.create(username="ann")
    hosted = old.get_model(APP, "HostedCollection").objects.create(
        id="0123abcd", name="Photos", owner_id=owner.pk, keeps="originals"
    )
    old.get_model(APP, "Key").objects.create(
        public_key="a" * 20, sealed_secret="s", collection=hosted, paid_until=7, bytes_paid_until=8
    )
    old.get_model(APP, "Outcome").objects.create(fingerprint="f", body="{}", created=timezone.now())

    assert HostedCollection.objects.get().retention == Retention.ORIGINALS
    key = Key.objects.get()
    assert (key.encrypted_secret, key.requests_used_until, key.bytes_used_until) == ("s", 7, 8)
    assert StoredResponse.objects.get().body == "{}"
    StoredResponse.objects.create(fingerprint="g", body="{}", created=timezone.now())
    assert old.get_model(APP, "Outcome").objects.count() == 2


@pytest.mark.http
@pytest.mark.django_db
def test_the_migrations_make_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "visualsnoop_server", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_marks_move_to_the_engine_and_back(latest: list[tuple[str, str]]) -> None:
    hosted = tenant().collection
    never_written = HostedCollection.objects.create(name="n", owner=hosted.owner)
    ids = [f"{number:02}" for number in range(40)]
    for name in (hosted.gallery_name, f"visualsnoop_server/{'x' * 99}"):
        Store("default", name).put([new(image_id, digest=image_id) for image_id in ids])
        mark_pairs(Store("default", name), combinations(ids, 2))
    moved = NotDuplicate.objects.filter(collection__name=hosted.gallery_name).order_by("pk")
    columns = [field.attname for field in NotDuplicate._meta.fields[1:]]
    before, count = list(moved.values(*columns)), NotDuplicate.objects.count()

    old = migrate((APP, "0009_kept_group")).get_model(APP, "NotDuplicate").objects.order_by("pk")
    assert not moved.exists()
    assert list(old.values(*columns)) == [{**row, "collection_id": hosted.pk} for row in before]
    old.create(**{**before[0], "collection_id": never_written.pk})
    again = NotDuplicate.objects.create(**before[0])  # an earlier attempt was interrupted here
    NotDuplicate.objects.filter(pk=again.pk).update(created=before[0]["created"])
    migrate(*latest)
    assert list(moved.values(*columns)) == before
    assert NotDuplicate.objects.count() == count
    assert "visualsnoop_server_notduplicate" not in connection.introspection.table_names()
