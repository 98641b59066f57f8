"""Which rows have the picture of a file that is about to be saved."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from PIL import Image

from django_visualsnoop.exceptions import TransportError
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.sync.worker import sweep
from django_visualsnoop.uploads import recent
from django_visualsnoop.uploads.existing import find_existing
from tests.collections.contract import image
from tests.fixtures import lose, picture, product
from tests.testapp.models import Article, Poster, Product

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.django_db


def upload(number: int = 1) -> SimpleUploadedFile:
    return SimpleUploadedFile("new.png", image(number), "image/png")


def edited(number: int = 1) -> bytes:
    """Return a scene in another format and size."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(image(number))).resize((200, 150)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.usefixtures("media")
class TestWithTheEngine:
    @pytest.mark.parametrize("indexed", [False, True])
    def test_an_edited_copy(self, indexed: bool) -> None:
        row, _ = product(1), product(2)
        if indexed:
            sweep(using="default")
        assert find_existing(Product, edited()) == [row]
        assert find_existing(Product, edited(3)) == []

    def test_of_what_waits_only_some_are_described(self, monkeypatch: pytest.MonkeyPatch) -> None:
        old, new = product(1), product(1)
        monkeypatch.setattr(recent, "MAX_DESCRIBED", 1)
        assert find_existing(Product, edited()) == [new]
        monkeypatch.setattr(recent, "SECONDS", 0.0)
        assert find_existing(Product, edited()) == []
        assert old.pk != new.pk

    def test_a_file_that_is_no_picture(self, caplog: pytest.LogCaptureFixture) -> None:
        product(1)
        assert find_existing(Product, b"no picture") == []
        assert caplog.records == []


@pytest.mark.usefixtures("recorder")
class TestRows:
    def test_all_kinds_of_rows_and_files(self) -> None:
        row, other = product(1, name="one"), product(1, name="two")
        sweep(using="default")
        file = upload()
        for rows in (Product, Product.objects, Product.objects.filter(name="one")):
            assert row in find_existing(rows, file)
        assert find_existing(Product.objects.filter(name="two"), file) == [other]
        assert file.read() == image(1)  # at its start
        assert find_existing(Product, file, exclude=row) == [other]
        assert len(find_existing(Product, file, limit=1)) == 1
        assert find_existing(Product, row.photo.path) != []
        with pytest.raises(TypeError, match="rows must be a model, a manager or a QuerySet"):
            find_existing([row], file)  # type: ignore[arg-type]

    def test_one_field_of_two(self) -> None:
        row = Article.objects.create(cover=picture(1), thumbnail=picture(2))
        sweep(using="default")
        assert find_existing(Article, upload(2)) == [row]
        assert find_existing(Article, upload(2), field="cover") == []
        with pytest.raises(ValueError, match="does not index a field 'photo'"):
            find_existing(Article, upload(), field="photo")

    def test_a_child(self) -> None:
        row = Poster.objects.create(photo=picture(1))
        assert find_existing(Poster, upload()) == [row]


class TestRecent:
    def test_only_files_of_the_same_size_are_read(
        self, recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [product(number) for number in (1, 2)]
        opened = []
        monkeypatch.setattr(recent, "MAX_DESCRIBED", 0)
        open_file = type(rows[0].photo).open

        def note(self: Any, mode: str = "rb") -> Any:
            opened.append(self.instance.pk)
            return open_file(self, mode)

        monkeypatch.setattr(type(rows[0].photo), "open", note)
        assert find_existing(Product, image(1)) == [rows[0]]
        assert opened == [rows[0].pk]

    def test_what_a_worker_has_just_done_counts_by_its_digest(
        self, recorder: RecorderCollection
    ) -> None:
        """A search may have begun before."""
        row = product(1)
        sweep(using="default")
        recorder.clear()
        lose(row.photo)
        assert find_existing(Product, image(1)) == [row]
        SyncRecord.objects.update(requested_at="2020-01-01T00:00Z")
        assert find_existing(Product, image(1)) == []


class TestFailure:
    def test_a_search_that_fails_is_logged_and_stops_nothing(
        self, recorder: RecorderCollection, caplog: pytest.LogCaptureFixture
    ) -> None:
        row = product(1)
        with caplog.at_level(logging.WARNING), recorder.failing(TransportError("down")):
            assert find_existing(Product, image(1)) == [row]  # it waits
        assert "so it passes unchecked" in caplog.text

    def test_a_collection_that_cannot_be_made(self, settings: Settings, media: Path) -> None:
        settings.VISUALSNOOP = {"default": {"BACKEND": "no.such.Backend"}}
        row = product(1)
        assert find_existing(Product, image(1)) == [row]

    @pytest.mark.usefixtures("recorder")
    def test_a_file_that_is_gone(self) -> None:
        lose(product(1).photo)
        assert find_existing(Product, image(1)) == []

    @pytest.mark.usefixtures("recorder")
    def test_a_transaction_stays_usable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Django remembers the table of a column that a query first uses: for later tests.
        assert all(field.cached_col for field in SyncRecord._meta.fields)
        monkeypatch.setattr(SyncRecord._meta, "db_table", "no_such_table")
        with transaction.atomic():
            assert find_existing(Product, image(1)) == []
            assert Product.objects.count() == 0
