"""What is done to the images of a hosted collection, the same whoever asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from django.db import transaction

from django_visualsnoop.engine.calibration import DEFAULT_MIN_SIMILARITY
from django_visualsnoop.server import metadata as kept
from django_visualsnoop.server import not_duplicates, pictures
from django_visualsnoop.server.conf import options
from django_visualsnoop.server.limits import require_room
from django_visualsnoop.server.models import database

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_visualsnoop.engine.store import NewImage, Store, Stored
    from django_visualsnoop.server.metadata import Value
    from django_visualsnoop.server.models import HostedCollection


class HostedImages:
    """The images of one hosted collection, within its limits.

    Args:
        collection: whose images.
    """

    def __init__(self, collection: HostedCollection) -> None:
        self.collection = collection

    @cached_property
    def gallery(self) -> pictures.PictureGallery:
        """Return where they are searched, and where new ones are described.

        What it describes brings along the files that the collection keeps.
        """
        settings = options()
        return pictures.PictureGallery(
            self.collection.keeps,
            database(),
            self.collection.gallery_name,
            min_similarity=self.min_similarity,
            max_bytes=settings.max_bytes,
            cache=settings.cache,
            memory=settings.memory,
        )

    @property
    def min_similarity(self) -> float:
        """Return what searches find at least, 0 to 1."""
        threshold = self.collection.min_similarity
        return DEFAULT_MIN_SIMILARITY if threshold is None else threshold

    @property
    def store(self) -> Store:
        """Return where they are kept."""
        return self.gallery.store

    def add(self, new: NewImage, metadata: Mapping[str, Value] | None = None) -> Stored:
        """Store an image that is not there yet; call it in a transaction.

        Args:
            new: the image.
            metadata: what to keep with it; see ``metadata.checked``.

        Raises:
            ImageExists: one with this id is there.
            Refused: 429, the collection is full.
        """
        require_room(self.collection, self.store, new.image_id)
        with pictures.kept(self.collection, new):
            stored = self.store.add(new)
        if metadata:
            kept.write(self.collection.pk, new.image_id, metadata)
        return stored

    def put(self, new: NewImage, metadata: Mapping[str, Value] | None = None) -> Stored:
        """Store an image, in place of the one that has its id, if there is one.

        Args:
            new: the image.
            metadata: what to keep with it from now on; what there is stays if ``None``.

        Raises:
            Refused: 429, the collection is full.
        """
        with transaction.atomic(using=database()):
            require_room(self.collection, self.store, new.image_id)
            with pictures.kept(self.collection, new):
                (stored,) = self.store.put([new])
            if metadata is not None:
                kept.write(self.collection.pk, new.image_id, metadata)
        return stored

    def set_metadata(self, image_id: str, metadata: Mapping[str, Value]) -> None:
        """Replace what is kept with an image, which stays as it is.

        Raises:
            ImageMissing: there is none.
        """
        with transaction.atomic(using=database()):
            self.store.touch(image_id)
            kept.write(self.collection.pk, image_id, metadata)

    def delete(self, image_id: str) -> Stored:
        """Delete an image and all that is kept and was said of it; return what was known of it.

        Raises:
            ImageMissing: there is none.
        """
        with transaction.atomic(using=database()):
            stored = self.store.delete(image_id)
            pictures.drop(pictures.of_image(self.collection, image_id))
            kept.remove(self.collection.pk, image_id)
            not_duplicates.forget(self.collection.pk, image_id)
        return stored
