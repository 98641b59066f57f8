"""Images that a review has deleted: they can be restored for a while."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import fields
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _

from django_visualsnoop.engine.storage import not_duplicates as marks
from django_visualsnoop.engine.storage.values import NewImage
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content import metadata as image_metadata
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import KeptGroup, Removal, database
from django_visualsnoop.server.tenants.throttling import require_room_for
from django_visualsnoop.server.transactions import lock_collection, write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from django.db.models import QuerySet

    from django_visualsnoop.server.content.images import HostedImages
    from django_visualsnoop.server.models import HostedCollection

_NAMES = [one.name for one in fields(NewImage)]


class CannotRestore(Exception):  # noqa: N818
    """The images cannot be restored. The text is for users."""


def get_removals(collection: HostedCollection) -> QuerySet[Removal]:
    """Return what can be restored, the last deletion first."""
    rows = Removal.objects.using(database()).filter(collection=collection)
    return rows.filter(expires_at__gt=timezone.now()).order_by("-pk")


def record_removal(
    images: HostedImages,
    image_ids: Sequence[str],
    *,
    marked: Collection[tuple[str, str]],
    kept: str,
) -> None:
    """Store what restoring some images needs; call this before their deletion, in its transaction.

    The files of their retained pictures then stay until it is too late.

    Args:
        images: the images of the collection.
        image_ids: ids of images that exist.
        marked: pairs that the same decision has marked as not duplicates.
        kept: fingerprint of the group that the same decision keeps; empty if none.
    """
    days = get_options().undo_days
    if not days:
        return
    store = images.store
    keys = list(map(store.image_key, image_ids))
    rows = store.images.filter(key__in=keys, deleted__isnull=True)
    collection = images.collection
    removal = Removal.objects.using(database()).create(
        collection=collection,
        expires_at=timezone.now() + timedelta(days=days),
        image_ids=list(image_ids),
        snapshot={
            "images": [list(map(_dump, row)) for row in rows.values_list(*_NAMES, "image_time")],
            "metadata": image_metadata.read_metadata(collection.pk, image_ids),
            "marks": marks.list_pairs(store, image_ids),
            "marked": list(marked),
            "kept": kept,
        },
    )
    pictures.get_pictures_of(collection, image_ids).update(removal=removal)


def restore(images: HostedImages, key: int) -> list[str]:
    """Restore the images of one removal, or none of them; return their ids.

    Args:
        images: the images of the collection.
        key: primary key of the removal.

    Raises:
        CannotRestore: it is too late, somebody has restored them, or an id is in use again.
        Refused: 404, the collection does not exist, or the caller may no longer write to it; 429,
            it is full.
    """
    collection, store = images.collection, images.store

    def work() -> list[str]:
        images.lock(alone=True)
        removal = get_removals(collection).filter(pk=key).first()
        if removal is None:
            raise CannotRestore(_("These images cannot be restored any more."))
        for image_id in store.read_details(removal.image_ids):
            text = _("There is a new image with the id %(id)s. Nothing was restored.")
            raise CannotRestore(text % {"id": image_id})
        require_room_for(collection, store, len(removal.image_ids))
        snapshot = removal.snapshot
        rows = [list(map(_load, row)) for row in snapshot["images"]]
        store.put(
            [NewImage(**dict(zip(_NAMES, row, strict=False))) for row in rows],
            [row[-1] for row in rows],
        )
        image_metadata.write_many(collection.pk, snapshot["metadata"])
        removal.pictures.update(removal=None)
        marks.unmark_pairs(store, map(tuple, snapshot["marked"]))
        marks.mark_pairs(store, map(tuple, snapshot["marks"]), ignore_missing=True)
        KeptGroup.objects.using(database()).filter(
            collection=collection, fingerprint=snapshot["kept"]
        ).delete()
        restored: list[str] = removal.image_ids
        removal.delete()
        return restored

    return write_atomically(work)


def expire_removals() -> int:
    """Delete for good what can no longer be restored; return how many images."""
    expired = Removal.objects.using(database()).filter(expires_at__lte=timezone.now())
    found = list(expired.values_list("pk", "collection_id"))
    return sum(write_atomically(partial(_expire, *one)) for one in found)


def _expire(key: int, collection_id: str) -> int:
    try:  # somebody may be restoring them
        lock_collection(collection_id, alone=True)
    except Refused:  # the collection was deleted meanwhile, with all removals
        return 0
    removal = Removal.objects.using(database()).filter(pk=key).first()
    if removal is None:
        return 0
    pictures.delete_pictures(removal.pictures.all())
    removal.delete()
    return len(removal.image_ids)


def _dump(value: Any) -> Any:
    is_binary = isinstance(value, bytes | memoryview)
    return {"base64": b64encode(value).decode()} if is_binary else value


def _load(value: Any) -> Any:
    return b64decode(value["base64"]) if isinstance(value, dict) else value
