"""Reading and changing the images of a hosted collection, for all APIs and pages."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.lite0 import Lite0Embedding
from django_visualsnoop.engine.matching.calibration import DEFAULT_MIN_SIMILARITY
from django_visualsnoop.engine.outside.create import configure_indexes
from django_visualsnoop.engine.outside.indexes import MEMORY
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content import metadata as image_metadata
from django_visualsnoop.server.content import not_duplicates, pictures
from django_visualsnoop.server.content.answers import answer
from django_visualsnoop.server.models import database
from django_visualsnoop.server.tenants.throttling import require_room
from django_visualsnoop.server.transactions import lock_collection, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from django_visualsnoop.common.search_options import SearchOptions
    from django_visualsnoop.engine.hits import Hits
    from django_visualsnoop.engine.storage.store import Store
    from django_visualsnoop.engine.storage.values import StoredImage
    from django_visualsnoop.server.content.metadata import Value
    from django_visualsnoop.server.models import HostedCollection


class HostedImages:
    """The images of a hosted collection, within its limits.

    Args:
        collection: the collection.
        check_access: called at the start of each transaction that writes; raises ``Refused`` if the
            caller has lost access.
    """

    def __init__(
        self, collection: HostedCollection, check_access: Callable[[], None] | None = None
    ) -> None:
        self.collection = collection
        self._check_access = check_access

    @cached_property
    def gallery(self) -> Gallery:
        """Return the gallery that searches the images."""
        options = get_options()
        return Gallery(
            database(),
            self.collection.gallery_name,
            min_similarity=self.min_similarity,
            max_bytes=options.max_bytes,
            cache=options.cache,
            memory=options.memory,
            capture_times=options.capture_times,
            embedding=Lite0Embedding() if options.embedding else None,
            outside=configure_indexes(
                "VISUALSNOOP_SERVER",
                database(),
                self.collection.gallery_name,
                options.index,
                options.indexes,
            ),
        )

    def search(self, content: bytes, options: SearchOptions) -> Hits:
        """Return the images that look like the one in a file; see ``Gallery.search``."""
        return self._answer(
            sha256(content).digest(), options, lambda: self.gallery.search(content, options)
        )

    def search_by_id(self, image_id: str, options: SearchOptions) -> Hits:
        """Return the images that look like a stored one; see ``Gallery.search_by_id``."""
        return self._answer(image_id, options, lambda: self.gallery.search_by_id(image_id, options))

    def _answer(
        self, query: bytes | str, options: SearchOptions, search: Callable[[], Hits]
    ) -> Hits:
        # Metadata changes without the images, and an index outside may lose and get back entries.
        if options.allowed is not None or self.gallery.outside.chosen != MEMORY:
            return search()
        server = get_options()
        searched = (
            query,
            options.limit,
            options.min_similarity,
            options.kind,
            None if options.relations is None else frozenset(options.relations),
            self.min_similarity,
            server.embedding,
            server.capture_times,
            server.max_bytes,
        )
        return answer(self.store, searched, search, server.answer_memory)

    def describe(self, content: bytes, image_id: str) -> pictures.NewPicture:
        """Return what to store of an image file. Uses no database.

        Args:
            content: the file.
            image_id: the id of the new image.

        Raises:
            DecodeError: the bytes are not a picture.
        """
        picture = self.gallery.decode_picture(content)
        return pictures.NewPicture(
            self.gallery.describe_picture(picture, content, image_id),
            pictures.make_files(picture, content, self.collection.retention),
        )

    @property
    def min_similarity(self) -> float:
        """Return the similarity threshold of searches, 0 to 1."""
        threshold = self.collection.min_similarity
        return DEFAULT_MIN_SIMILARITY if threshold is None else threshold

    @property
    def store(self) -> Store:
        """Return the store that contains the images."""
        return self.gallery.store

    def store_files(self, new: pictures.NewPicture) -> AbstractContextManager[pictures.StoredFiles]:
        """Store the files of an image before a transaction; see ``pictures.store_files``."""
        return pictures.store_files(self.collection, new)

    def lock(self, *, alone: bool = False) -> None:
        """Lock the collection for writing; see ``lock_collection``.

        Raises:
            Refused: the collection does not exist, or the caller may no longer write to it.
        """
        lock_collection(self.collection.pk, alone=alone)
        if self._check_access is not None:
            self._check_access()

    def add(
        self,
        new: pictures.NewPicture,
        metadata: Mapping[str, Value] | None = None,
        files: pictures.StoredFiles | None = None,
    ) -> StoredImage:
        """Add an image.

        Args:
            new: the return value of ``describe``.
            metadata: the metadata of the image; see ``metadata.check_metadata``.
            files: the files that ``store_files`` stored, if the caller has opened a transaction.

        Raises:
            ImageExists: an image with this id exists.
            Refused: 404, the collection does not exist; 429, it is full.
        """
        if files is None:
            with self.store_files(new) as stored_files:
                return self.add(new, metadata, stored_files)

        def work() -> StoredImage:
            self._lock_with_room(new.image.image_id)
            stored = self.store.add(new.image)
            files.write_rows()
            if metadata:
                image_metadata.write_metadata(self.collection.pk, new.image.image_id, metadata)
            return stored

        return write_atomically(work)

    def put(
        self, new: pictures.NewPicture, metadata: Mapping[str, Value] | None = None
    ) -> StoredImage:
        """Add an image, or replace the image that has its id.

        Args:
            new: the return value of ``describe``.
            metadata: the new metadata; unchanged if ``None``.

        Raises:
            Refused: 404, the collection does not exist; 429, it is full.
        """
        with self.store_files(new) as files:

            def work() -> StoredImage:
                self._lock_with_room(new.image.image_id)
                (stored,) = self.store.put([new.image])
                files.write_rows()
                if metadata is not None:
                    image_metadata.write_metadata(self.collection.pk, new.image.image_id, metadata)
                return stored

            return write_atomically(work)

    def set_metadata(self, image_id: str, metadata: Mapping[str, Value]) -> None:
        """Replace the metadata of an image; the image does not change.

        Raises:
            ImageMissing: the image does not exist.
            Refused: 404, the collection does not exist.
        """

        def work() -> None:
            self.lock()
            self.store.touch(image_id)
            image_metadata.write_metadata(self.collection.pk, image_id, metadata)

        write_atomically(work)

    def delete(self, image_id: str) -> StoredImage:
        """Delete an image with its metadata and marks; return its data.

        Raises:
            ImageMissing: the image does not exist.
            Refused: 404, the collection does not exist.
        """

        def work() -> StoredImage:
            self.lock()
            stored = self.store.delete(image_id)
            pictures.delete_pictures(pictures.get_pictures(self.collection, image_id))
            image_metadata.remove_metadata(self.collection.pk, image_id)
            not_duplicates.unmark_image(stored)
            return stored

        return write_atomically(work)

    def _lock_with_room(self, image_id: str) -> None:
        # If two images compete for the last place, only one gets it.
        self.lock(alone=self.collection.max_images is not None)
        require_room(self.collection, self.store, image_id)
