"""Model signals → wishes, in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from django.db import models, transaction
from django.db.models.signals import class_prepared, post_delete, post_save

from django_visualsnoop import touched, wishes
from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.options import indexed_fields
from django_visualsnoop.wishes import Wish

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_visualsnoop.options import IndexedField


def connect_all() -> None:
    """Follow every model with the mixin: those there are, and those still to come."""
    from django.apps import apps

    for model in apps.get_models(include_auto_created=True):
        connect(model)
    class_prepared.connect(_connect_prepared, dispatch_uid="django_visualsnoop.class_prepared")


def connect(model: type[models.Model]) -> None:
    """Follow one concrete or proxy model; does nothing for one without the mixin."""
    if not issubclass(model, VisualSnoopMixin) or model._meta.abstract:
        return
    touched.track(model)
    uid = f"django_visualsnoop.{model._meta.label_lower}"
    post_save.connect(after_save, sender=model, dispatch_uid=uid)
    post_delete.connect(after_delete, sender=model, dispatch_uid=uid)


def after_save(
    instance: VisualSnoopMixin,
    created: bool,
    raw: bool,
    using: str,
    update_fields: Collection[str] | None,
    **_: Any,
) -> None:
    if touched.ends_quietly(instance) and not created:
        return
    adding = touched.was_adding(instance) or created or raw
    changed = touched.fields_saved(instance, update_fields, adding=adding)
    judged = touched.fields_to_judge(type(instance), update_fields)
    if not changed and not judged:
        return
    if wishes.is_paused():
        return
    # A fixture may load what the condition looks at later; the worker will ask.
    should_index = instance.visualsnoop_should_index() if judged and not raw else True
    wishes.write(
        # A new row without a picture has nothing in the collection to correct.
        (
            _wish(field, instance, should_index)
            for field in changed
            if not created or getattr(instance, field.name)
        ),
        using=using,
    )
    wishes.turn(
        (
            _wish(field, instance, should_index)
            for field in judged
            if field not in changed and getattr(instance, field.name)
        ),
        using=using,
    )
    _forget_on_commit(instance, changed, using)


def after_delete(instance: VisualSnoopMixin, using: str, **_: Any) -> None:
    wishes.write(
        (_wish(field, instance, False) for field in indexed_fields(type(instance))), using=using
    )


def _wish(field: IndexedField, instance: VisualSnoopMixin, should_index: bool) -> Wish:
    return Wish(field, field.object_id(instance), wanted=should_index)


def _forget_on_commit(instance: VisualSnoopMixin, fields: list[IndexedField], using: str) -> None:
    """Forget the assignments once they are committed: after a rollback they still stand."""
    saved = touched.tokens(instance, fields)
    if not saved:
        return
    reference = ref(instance)

    def forget() -> None:
        if (alive := reference()) is not None:
            touched.forget_committed(alive, saved)

    transaction.on_commit(forget, using=using, robust=True)


def _connect_prepared(sender: type[models.Model], **_: Any) -> None:
    connect(sender)
