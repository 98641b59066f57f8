"""Track indexed models, and request a sync when a row is deleted; see ``saving`` for saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db.models.signals import class_prepared, post_delete

from django_visualsnoop.indexed.descriptors import track
from django_visualsnoop.indexed.options import indexed_fields, is_indexed
from django_visualsnoop.outbox.requests import SyncRequest, request_sync

if TYPE_CHECKING:
    from django.db import models


def connect_all() -> None:
    """Track every model with the mixin, including models that are defined later."""
    for model in apps.get_models(include_auto_created=True):
        connect(model)
    class_prepared.connect(_connect_prepared, dispatch_uid="django_visualsnoop.class_prepared")


def connect(model: type[models.Model]) -> None:
    """Track one concrete or proxy model; do nothing if it does not use the mixin."""
    if not is_indexed(model) or model._meta.abstract:
        return
    track(model, indexed_fields(model))
    uid = f"django_visualsnoop.{model._meta.label_lower}"
    post_delete.connect(after_delete, sender=model, dispatch_uid=uid)


def after_delete(instance: models.Model, using: str, **_: Any) -> None:
    request_sync(
        (
            SyncRequest(field, field.object_id(instance), wanted=False)
            for field in indexed_fields(type(instance))
        ),
        using=using,
    )


def _connect_prepared(sender: type[models.Model], **_: Any) -> None:
    connect(sender)
