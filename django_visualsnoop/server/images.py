"""What is done to the images of a hosted collection, the same whoever asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from django.db import transaction

from django_visualsnoop.engine.calibration import DEFAULT_MIN_SIMILARITY
from django_visualsnoop.server import pictures
from django_visualsnoop.server.conf import options
from django_visualsnoop.server.limits import require_room
from django_visualsnoop.server.models import database

if TYPE_CHECKING:
    from django_visualsnoop.engine.gallery import Gallery
    from django_visualsnoop.engine.store import NewImage, Store, Stored
    from django_visualsnoop.server.models import HostedCollection


class HostedImages:
    """The images of one hosted collection, within its limits.

    Args:
        collection: whose images.
    """

    def __init__(self, collection: HostedCollection) -> None:
        self.collection = collection

    @cached_property
    def gallery(self) -> Gallery:
        """Return where they are searched, and where new ones are described.

        What it describes brings along the files that the collection keeps.
        """
        threshold = self.collection.min_similarity
        settings = options()
        return pictures.PictureGallery(
            self.collection.keeps,
            database(),
            self.collection.gallery_name,
            min_similarity=DEFAULT_MIN_SIMILARITY if threshold is None else threshold,
            max_bytes=settings.max_bytes,
            cache=settings.cache,
        )

    @property
    def store(self) -> Store:
        """Return where they are kept."""
        return self.gallery.store

    def add(self, new: NewImage) -> Stored:
        """Store an image that is not there yet; call it in a transaction.

        Raises:
            ImageExists: one with this id is there.
            Refused: 429, the collection is full.
        """
        require_room(self.collection, self.store, new.image_id)
        with pictures.kept(self.collection, new):
            return self.store.add(new)

    def put(self, new: NewImage) -> Stored:
        """Store an image, in place of the one that has its id, if there is one.

        Raises:
            Refused: 429, the collection is full.
        """
        with transaction.atomic(using=database()):
            require_room(self.collection, self.store, new.image_id)
            with pictures.kept(self.collection, new):
                (stored,) = self.store.put([new])
        return stored

    def delete(self, image_id: str) -> Stored:
        """Delete an image with all that is kept of it, and return what was known of it.

        Raises:
            ImageMissing: there is none.
        """
        with transaction.atomic(using=database()):
            stored = self.store.delete(image_id)
            pictures.drop(pictures.of_image(self.collection, image_id))
        return stored
