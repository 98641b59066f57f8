"""Describing images again after the descriptor's version changed, from the retained originals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.models import IndexedImage, key_of
from django_visualsnoop.engine.storage.publish import publish_on_commit
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import StoredPicture, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.engine.storage.store import NewImage
    from django_visualsnoop.server.models import HostedCollection


def redescribe_collection(collection: HostedCollection) -> Iterator[tuple[str, str]]:
    """Describe what an older version described; image ids and times stay.

    Args:
        collection: whose images; those without an original cannot be described.

    Yields:
        Each such image's id, and why it was left as it was; empty if it is described anew.
    """
    images = HostedImages(collection)
    for image_id in images.gallery.outdated():
        original = pictures.get_newest(collection, image_id, StoredPicture.Kind.ORIGINAL)
        try:
            if original is None:
                yield image_id, "no original is kept"
                continue
            with pictures.get_storage().open(original.name) as file:
                new = images.gallery.described(file.read(), image_id)
        except (DecodeError, OSError) as error:
            yield image_id, str(error)
            continue
        is_there = write_atomically(partial(_replace, images.store.key, new))
        yield image_id, "" if is_there else "it was replaced meanwhile"


def _replace(key: str, new: NewImage) -> bool:
    """Write a new descriptor of the same file; return whether the image still has that file."""
    images = IndexedImage.objects.using(database())
    found = (
        images.filter(
            collection__key=key, key=key_of(new.image_id), deleted__isnull=True, digest=new.digest
        )
        .values_list("pk", "collection_id")
        .first()
    )
    if found is None:
        return False
    pk, collection_id = found
    # A later digest is another file: it was replaced between the two statements.
    rows = images.filter(pk=pk, deleted__isnull=True, digest=new.digest)
    if not rows.update(vector=new.vector, version=new.version, seq=None):
        return False
    publish_on_commit(database(), collection_id)
    return True
