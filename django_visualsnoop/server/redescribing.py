"""Describing images again after the descriptor's version changed, from the originals kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.models import IndexedImage, key_of
from django_visualsnoop.engine.publish import publish_on_commit
from django_visualsnoop.server import pictures
from django_visualsnoop.server.images import HostedImages
from django_visualsnoop.server.models import StoredPicture, database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.server.models import HostedCollection


def redescribe(collection: HostedCollection) -> Iterator[tuple[str, str]]:
    """Describe what an older version described; image ids and times stay.

    Args:
        collection: whose images; those without an original cannot be described.

    Yields:
        Each such image's id, and why it was left as it was; empty if it is described anew.
    """
    images = HostedImages(collection)
    for image_id in images.gallery.outdated():
        kept = pictures.newest(collection, image_id, StoredPicture.Kind.ORIGINAL)
        try:
            if kept is None:
                yield image_id, "no original is kept"
                continue
            with pictures.storage().open(kept.name) as file:
                new = images.gallery.described(file.read(), image_id)
        except (DecodeError, OSError) as error:
            yield image_id, str(error)
            continue
        with transaction.atomic(using=database()):
            rows = IndexedImage.objects.using(database()).filter(
                collection__key=images.store.key,
                key=key_of(image_id),
                deleted__isnull=True,
                digest=new.digest,  # it was not replaced meanwhile
            )
            found = rows.values_list("pk", "collection_id").first()
            if found is not None:
                IndexedImage.objects.using(database()).filter(
                    pk=found[0], digest=new.digest
                ).update(vector=new.vector, version=new.version, seq=None)
                publish_on_commit(database(), found[1])
        yield image_id, "" if found is not None else "it was replaced meanwhile"
