"""The report: one file that needs nothing else."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from PIL import Image

from django_visualsnoop.exceptions import TransportError
from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import lose, product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pathlib import Path

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


def report(folder: Path, *models: str, **options: Any) -> str:
    path = folder / "report.html"
    call_command("visualsnoop_report", *models, output=path, verbosity=0, **options)
    return path.read_text()


def test_copies_near_misses_and_health(media: Path, tmp_path: Path) -> None:
    for row in [product(1), product(1), product(2), Product(photo=ContentFile(crop(1), "c.png"))]:
        row.save()
    broken = Product.objects.create(photo=ContentFile(b"broken", "broken.png"), name="broken")
    sweep(using="default")
    text = report(tmp_path, "testapp.Product")
    assert "1 group." in text
    assert text.count("data:image/jpeg;base64,") >= 2
    assert "Pair 1: similarity" in text
    assert "Not found as copies" not in text
    assert "Not found as copies" in report(tmp_path, min_similarity=0.9999)
    assert f"testapp.product.photo:{broken.pk}" in text
    assert "Article" not in text.partition("Sync health")[0]
    # It needs nothing else.
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert "<script" not in text
    assert "url(" not in text


def crop(number: int) -> bytes:
    buffer = io.BytesIO()
    whole = Image.open(io.BytesIO(image(number)))
    whole.crop((0, 0, 150, 120)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.usefixtures("recorder")
class TestParts:
    def test_all_groups_count_and_some_are_shown(self, tmp_path: Path) -> None:
        rows = [product(number) for number in (1, 1, 2, 2, 2)]
        sweep(using="default")
        text = report(tmp_path, limit=1)
        assert "2 groups." in text
        assert "The first 1 are shown." in text
        assert text.count("<article") == 1
        sizes = [len(image(1)), 2 * len(image(2))]
        assert f"{sum(sizes) / 1024:.1f}\xa0KB would be free" in text
        assert len(rows) == 5

    def test_a_file_that_is_gone(self, tmp_path: Path) -> None:
        first, _ = product(1), product(1)
        sweep(using="default")
        lose(first.photo)
        assert "The file is missing or cannot be read." in report(tmp_path)

    def test_what_a_row_says_is_text(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Product, "__str__", lambda row: "<script>")
        product(1), product(1)
        sweep(using="default")
        assert "<script" not in report(tmp_path)

    def test_nothing(self, tmp_path: Path) -> None:
        text = report(tmp_path)
        assert "There are no copies." in text
        assert "does not tell its threshold" in text


def test_a_search_that_fails_leaves_the_old_file(
    recorder: RecorderCollection, tmp_path: Path
) -> None:
    product(1)
    sweep(using="default")
    before = report(tmp_path)
    with (
        recorder.failing(TransportError("down")),
        pytest.raises(CommandError, match="down"),
    ):
        report(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == before


@pytest.mark.usefixtures("recorder")
def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"Cannot write .*: No such file"):
        report(tmp_path / "none")
