from __future__ import annotations

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_the_migrations_make_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "visualsnoop", "visualsnoop_engine", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out
