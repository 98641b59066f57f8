"""The server's tables keep their columns while processes of two versions run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from django_visualsnoop.server.models import HostedCollection, Key, Retention, StoredResponse

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
