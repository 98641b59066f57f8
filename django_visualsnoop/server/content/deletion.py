"""Deleting a hosted collection with everything in it."""

from __future__ import annotations

from django.db import transaction

from django_visualsnoop.engine.replica.snapshots import delete_snapshots
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import (
    HostedCollection,
    KeptGroup,
    Key,
    Metadata,
    MetadataValue,
    Removal,
    StoredPicture,
    StoredResponse,
    database,
)
from django_visualsnoop.server.transactions import lock_for_deletion, write_atomically


def delete_collection(collection: HostedCollection) -> None:
    """Delete a collection, its keys, its images and the pictures that it retains.

    This waits for writers that hold the collection; later writers get the error that it does not
    exist; see ``transactions.lock_collection``. Deleting a collection twice does nothing.
    """
    write_atomically(lambda: _delete(collection))


def _delete(collection: HostedCollection) -> None:
    using, pk = database(), collection.pk
    if not lock_for_deletion(pk):
        return
    pictures.delete_pictures(StoredPicture.objects.using(using).filter(collection=pk))
    store, cache = HostedImages(collection).gallery.store, get_options().cache
    engine_id = store.find_collection_id()
    store.drop()
    if cache is not None and engine_id is not None:
        transaction.on_commit(lambda: delete_snapshots(cache, engine_id), using=using, robust=True)
    # The cascade does not delete these; see ``Store.drop``.
    for model in (MetadataValue, Metadata, KeptGroup, StoredPicture, Removal, StoredResponse, Key):
        model.objects.using(using).filter(collection=pk).delete()
    HostedCollection.objects.using(using).filter(pk=pk).delete()
