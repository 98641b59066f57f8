"""What users' test suites are given, used as they would use it."""

from __future__ import annotations

from typing import cast

from django.core.files.base import ContentFile
from django.test import TestCase, override_settings

from django_visualsnoop import testing
from django_visualsnoop.client.exceptions import ServerError
from django_visualsnoop.collections import collections
from django_visualsnoop.models import SyncRecord
from tests.testapp.models import Article, Product

RECORDER = {"BACKEND": "django_visualsnoop.testing.RecorderCollection"}


@override_settings(VISUALSNOOP={"default": RECORDER})
class SyncNowTests(TestCase):
    databases = {"default", "other"}

    def setUp(self) -> None:
        self.recorder = cast("testing.RecorderCollection", collections["default"])
        self.recorder.clear()

    def test_brings_saved_changed_and_deleted_rows_home(self) -> None:
        kept, deleted = self._product(b"one"), self._product(b"two")
        outcome = testing.sync_now()
        assert outcome.in_sync == 2
        assert set(self.recorder.images.values()) == {b"one", b"two"}

        kept.photo.save("new.jpg", ContentFile(b"three"))
        deleted.delete()
        assert set(self.recorder.images.values()) == {b"one", b"two"}
        testing.sync_now()
        assert list(self.recorder.images.values()) == [b"three"]

    def test_rows_are_found_inside_the_transaction_of_a_test(self) -> None:
        first, second = self._product(b"same"), self._product(b"same")
        testing.sync_now()
        assert list(Product.objects.copies_of(first)) == [second]

    def test_has_nothing_to_do_twice(self) -> None:
        self._product(b"one")
        testing.sync_now()
        self.recorder.clear()
        assert testing.sync_now().worked_on == 0
        assert self.recorder.calls == []

    def test_works_on_one_database(self) -> None:
        Article.objects.using("other").create(cover=ContentFile(b"other", "cover.jpg"))
        assert testing.sync_now().worked_on == 0
        assert testing.sync_now("other").in_sync == 1

    def test_returns_why_a_picture_failed_and_tries_it_again_without_waiting(self) -> None:
        self._product(b"one")
        with self.recorder.failing(ServerError("Out of order.", status=503)):
            outcome = testing.sync_now()
        assert list(outcome.retrying.values()) == ["Out of order."]
        assert outcome.in_sync == 0
        assert testing.sync_now().in_sync == 1

    def test_leaves_alone_what_waits_for_another_file(self) -> None:
        product = self._product(b"")
        outcome = testing.sync_now()
        assert list(outcome.failed.values()) == ["The image is empty (0 bytes)."]
        self.recorder.clear()
        assert testing.sync_now().worked_on == 0
        assert self.recorder.calls == []
        product.photo.save("new.jpg", ContentFile(b"a picture"))
        assert testing.sync_now().in_sync == 1

    def test_paused_saves_leave_nothing_to_bring_home(self) -> None:
        with testing.sync_paused():
            self._product(b"one")
        assert testing.sync_now().worked_on == 0
        assert not SyncRecord.objects.exists()

    def _product(self, content: bytes) -> Product:
        return Product.objects.create(photo=ContentFile(content, "photo.jpg"))
