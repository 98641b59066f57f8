"""What an undo needs is kept for a while, and then goes, with the files if that is wanted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_visualsnoop.merging import merge_rows, undo
from django_visualsnoop.merging.expire import expire_resolutions
from django_visualsnoop.merging.snapshot import Snapshot
from django_visualsnoop.models import Resolution
from django_visualsnoop.sync.worker import sweep
from tests.fixtures import product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recorder")]


def files(media: Path) -> set[str]:
    return {path.name for path in (media / "products").iterdir()}


def merge(*numbers: int, **options: Any) -> Resolution:
    """Merge new products that show these scenes, the first of which is kept."""
    kept, *others = (product(number) for number in numbers)
    resolution = merge_rows(kept, others, **options).resolution
    assert resolution is not None
    return resolution


def let_all_expire() -> None:
    Resolution.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_the_sweeper_forgets_what_can_no_longer_be_undone(media: Path) -> None:
    merge(1, 2)
    sweep(using="default")
    assert Resolution.objects.count() == 1
    let_all_expire()
    lasting = merge(3, 4)
    sweep(using="default")
    assert list(Resolution.objects.all()) == [lasting]
    assert files(media) == {f"scene{n}.png" for n in (1, 2, 3, 4)}  # Django keeps files, too


def test_files_go_if_that_is_wanted(media: Path) -> None:
    merge(1, 2, delete_files=True)
    expire_resolutions("default")
    assert files(media) == {"scene1.png", "scene2.png"}
    let_all_expire()
    assert expire_resolutions("default") == 1
    assert files(media) == {"scene1.png"}


def test_without_an_undo_they_go_with_the_next_sweep(media: Path) -> None:
    merge(1, 2, delete_files=True, undo_for=None)
    sweep(using="default")
    assert files(media) == {"scene1.png"}


def test_files_that_a_row_or_another_undo_needs_stay(media: Path) -> None:
    used, needed, restored = (merge(1, n, delete_files=True) for n in (2, 3, 4))
    undo(restored)
    (name,) = {row["photo"] for row in rows(used)}
    Product.objects.create(photo=name)
    (shared,) = {row["photo"] for row in rows(needed)}
    let_all_expire()
    merge_rows(Product.objects.all()[0], [Product.objects.create(photo=shared)])
    assert expire_resolutions("default") == 3
    assert {"scene2.png", "scene3.png", "scene4.png"} <= files(media)


def test_a_storage_that_breaks_is_logged(
    media: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str) -> None:
        raise OSError("down")

    merge(1, 2, delete_files=True, undo_for=None)
    monkeypatch.setattr(Product._meta.get_field("photo").storage, "delete", broken)
    assert expire_resolutions("default") == 1
    assert "Could not delete the file 'products/scene2.png': OSError" in caplog.text


def rows(resolution: Resolution) -> list[dict[str, Any]]:
    return Snapshot.from_text(resolution.snapshot).rows["testapp.product"]
