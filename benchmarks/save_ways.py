"""One model, followed in several ways: ours, and as others do it.

Written anew from what these packages do, not taken from them:

* wagtail-images-deduplicator 1.0a1: its mixin's ``save()`` opens the file, decodes it and
  computes ``imagehash.phash`` before each save without ``update_fields``, whether or not the
  image has changed.
* django-elasticsearch-dsl 9.0, ``RealTimeSignalProcessor`` (its default): a ``post_save`` handler
  makes a document of the row and sends it in one bulk request, with ``refresh``, before the save
  returns.
* django-elasticsearch-dsl 9.0, ``CelerySignalProcessor``: a ``post_save`` handler calls
  ``delay()`` of two tasks, for the row and for what is related to it.

Import it after ``django.setup()``.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import imagehash
from celery import shared_task
from django.db import models
from django.db.models.signals import post_save
from PIL import Image

from benchmarks.search_server import serve
from django_visualsnoop.models import VisualSnoopMixin

if TYPE_CHECKING:
    from collections.abc import Iterator


class Row(models.Model):
    name = models.CharField(max_length=100, blank=True)
    active = models.BooleanField(default=True)
    photo = models.ImageField(upload_to="photos", blank=True)

    class Meta:
        abstract = True
        app_label = "benchmarks"


class Plain(Row):
    pass


class PlainAgain(Row):
    """The same once more: how far two equal models differ is the noise."""


class Followed(VisualSnoopMixin, Row):
    class Meta:
        app_label = "benchmarks"


class Hashed(Row):
    """As with wagtail-images-deduplicator."""

    custom_hash = models.CharField(max_length=40, blank=True, db_index=True)

    def save(self, *args: Any, **kwargs: Any) -> None:
        written = kwargs.get("update_fields")
        if not written or "photo" in written:
            with self.photo.open("rb") as file, Image.open(file) as image:
                self.custom_hash = str(imagehash.phash(image))
        super().save(*args, **kwargs)


class Searched(Row):
    """As with django-elasticsearch-dsl."""

    client: http.client.HTTPConnection

    @classmethod
    def send(cls, instance: Searched, **_: Any) -> None:
        document = {
            "name": instance.name,
            "active": instance.active,
            "photo": instance.photo.url if instance.photo else "",
        }
        action = {"index": {"_index": "rows", "_id": instance.pk}}
        body = f"{json.dumps(action)}\n{json.dumps(document)}\n".encode()
        headers = {"Content-Type": "application/x-ndjson"}
        cls.client.request("PUT", "/_bulk?refresh=true", body, headers)
        answer = json.loads(cls.client.getresponse().read())
        assert not answer["errors"]


class Queued(Row):
    """As with django-elasticsearch-dsl and its signal processor for Celery."""

    @staticmethod
    def send(instance: Queued, **_: Any) -> None:
        arguments = (instance.pk, instance._meta.app_label, type(instance).__name__)
        update.delay(*arguments)
        update_related.delay(*arguments)


@shared_task(ignore_result=True)
def update(pk: int, app_label: str, model_name: str) -> None:
    """Stand for the task of this way; no worker runs it here."""


@shared_task(ignore_result=True)
def update_related(pk: int, app_label: str, model_name: str) -> None:
    """Stand for the other task of this way; no worker runs it here."""


@contextmanager
def connected() -> Iterator[None]:
    """Connect the handlers, with a process that answers at once for the search server."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    server.start()
    try:
        Searched.client = http.client.HTTPConnection("127.0.0.1", ours.recv())
        post_save.connect(Searched.send, sender=Searched)
        post_save.connect(Queued.send, sender=Queued)
        yield
    finally:
        server.terminate()
        server.join()
