"""django-cleanup deletes the files of deleted rows, but not those that an undo needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.base import ContentFile
from django.db.models.signals import post_delete, post_init, post_save, pre_save

from django_visualsnoop.merging import merge_rows, undo
from tests.merging.graphs import items
from tests.testapp.relations import Item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cleanup() -> Iterator[None]:
    """The real package, as if it were in INSTALLED_APPS."""
    cache = pytest.importorskip("django_cleanup.cache")
    apps.set_installed_apps([*settings.INSTALLED_APPS, "django_cleanup"])
    try:
        yield
    finally:
        signals = {"post_init": post_init, "pre_save": pre_save}
        signals |= {"post_save": post_save, "post_delete": post_delete}
        for model in cache.cleanup_models():
            uid = f"_django_cleanup_{cache.get_model_name(model)}"
            for name, signal in signals.items():
                assert signal.disconnect(sender=model, dispatch_uid=f"{name}{uid}")
        cache.FIELDS.clear()
        apps.unset_installed_apps()


def contents(media: Path, row: Item) -> bytes:
    assert row.manual.name
    return (media / row.manual.name).read_bytes()


@pytest.mark.usefixtures("cleanup")
def test_files_stay_for_an_undo(media: Path) -> None:
    kept, other, third = items(3)
    for one in (other, third):
        one.manual.save(f"{one.sku}.pdf", ContentFile(b"12345"))
    resolution = merge_rows(kept, [other]).resolution
    third.delete()
    assert {path.name for path in (media / "manuals").iterdir()} == {f"{other.sku}.pdf"}
    assert resolution is not None
    assert undo(resolution).missing_files == []
    assert contents(media, Item.objects.get(pk=other.pk)) == b"12345"


@pytest.mark.usefixtures("cleanup")
def test_a_file_that_fills_the_kept_row_stays(media: Path) -> None:
    kept, other = items()
    other.manual.save("manual.pdf", ContentFile(b"12345"))
    merge_rows(kept, [other], fill=["manual"], undo_for=None)
    assert contents(media, Item.objects.get(pk=kept.pk)) == b"12345"


@pytest.mark.usefixtures("cleanup")
def test_files_go_at_once_without_an_undo(media: Path) -> None:
    kept, other = items()
    other.manual.save("manual.pdf", ContentFile(b"12345"))
    merge_rows(kept, [other], undo_for=None)
    assert list((media / "manuals").iterdir()) == []
