"""Deleting a hosted collection with everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from django_visualsnoop.engine.models import Block, Collection, IndexedImage, key_of
from django_visualsnoop.server import pictures
from django_visualsnoop.server.models import StoredPicture, database

if TYPE_CHECKING:
    from django_visualsnoop.server.models import HostedCollection


def delete_collection(collection: HostedCollection) -> None:
    """Delete a collection, its keys, its images and the pictures that it keeps."""
    using = database()
    with transaction.atomic(using=using):
        pictures.drop(StoredPicture.objects.using(using).filter(collection=collection))
        key = key_of(collection.gallery_name)
        # Not by the cascade, which would first read which rows there are.
        IndexedImage.objects.using(using).filter(collection__key=key).delete()
        Block.objects.using(using).filter(collection__key=key).delete()
        Collection.objects.using(using).filter(key=key).delete()
        collection.delete(using=using)
