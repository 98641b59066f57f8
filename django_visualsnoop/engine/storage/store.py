"""Write the rows of one collection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import IntegrityError, connections, transaction

from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.transactions import begin_writing, retry_when_locked
from django_visualsnoop.common.updates import update_each
from django_visualsnoop.engine.exceptions import ImageExists, build_image_missing
from django_visualsnoop.engine.models import (
    Collection,
    IndexedImage,
    NotDuplicate,
    OutsideIndexState,
    PairVerdict,
    VectorBlock,
    key_of,
)
from django_visualsnoop.engine.storage.publish import in_transaction, publish, publish_on_commit
from django_visualsnoop.engine.storage.reading import StoreReader
from django_visualsnoop.engine.storage.times import read_clock
from django_visualsnoop.engine.storage.values import (
    NewImage,
    StoredImage,
    Version,
)
from django_visualsnoop.engine.storage.verdicts import forget_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


_Written = TypeVar("_Written")


_NO_EMBEDDING = {"embedding": None, "embedding_model": "", "embedding_digest": ""}
#: What is kept of a picture.
_DESCRIPTION = ("vector", "version", "thumbnail", "capture")
_CONTENT = [*_DESCRIPTION, "digest", "width", "height", *_NO_EMBEDDING]
_WRITTEN = ["image_id", "image_time", "deleted", "seq", *_CONTENT]


class Store(StoreReader):
    """The rows of one collection.

    Each writing statement is a transaction of its own, and waits for other writers.
    Inside a transaction of the caller, a writing method waits before it reads: SQLite
    rejects a write at once if the transaction has read first.

    Args:
        database: alias in ``DATABASES``.
        name: name of the collection.
        follow: called with the collection's id after rows were written and committed.
        forget: called with the collection's id after it was deleted.
    """

    def __init__(
        self,
        database: str,
        name: str,
        *,
        follow: Callable[[str], object] | None = None,
        forget: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__(database, name)
        self._follow = follow
        self._forget_collection = forget

    def _begin_writing(self) -> None:
        if in_transaction(self.database):
            begin_writing(IndexedImage, using=self.database)

    def _write(self, statement: Callable[[], _Written]) -> _Written:
        return retry_when_locked(statement, using=self.database)

    def get_or_create_collection_id(self) -> str:
        """Return the collection's id. Create the collection if nothing has been written yet."""
        self._begin_writing()
        return self._get_or_create_collection_id()

    def _get_or_create_collection_id(self) -> str:
        collection_id = self.find_collection_id()
        while collection_id is None:
            try:
                collection_id = self._write(self._create_collection).pk
            except IntegrityError:
                # Another process was faster. A locking read sees its row, whatever the snapshot.
                with transaction.atomic(using=self.database):
                    others = Collection.objects.using(self.database).filter(key=self.key)
                    collection_id = next(iter(lock_rows(others)), None)
        return collection_id

    def _create_collection(self) -> Collection:
        with transaction.atomic(using=self.database):
            return Collection.objects.using(self.database).create(name=self.name, key=self.key)

    def add(self, image: NewImage) -> StoredImage:
        """Insert one image.

        Raises:
            ImageExists: an image already has this id.
        """
        self._begin_writing()
        key = key_of(image.image_id)
        now = read_clock()
        row = self.images.filter(key=key).values("pk", "deleted", "collection_id").first()
        if row is None:
            collection_id = self._get_or_create_collection_id()
            new = _build_row(image, collection_id, now)
            try:
                self._write(lambda: self._insert(new))
            except IntegrityError:
                raise _exists(image) from None
        else:
            collection_id = row["collection_id"]
            tombstone = IndexedImage.objects.using(self.database).filter(
                pk=row["pk"], deleted__isnull=False
            )
            values = {name: getattr(image, name) for name in _CONTENT}
            values |= {"image_time": now, "deleted": None, "seq": None}
            if row["deleted"] is None or not self._write(lambda: tombstone.update(**values)):
                raise _exists(image)
        publish_on_commit(self.database, collection_id, self._follow)
        return StoredImage(collection_id, image.image_id, now, existed=False)

    def _insert(self, row: IndexedImage) -> None:
        with transaction.atomic(using=self.database):
            row.save(using=self.database, force_insert=True)

    def put(
        self, images: Sequence[NewImage], times: Sequence[int] | None = None
    ) -> list[StoredImage]:
        """Insert or replace images whose ids differ, with a few statements.

        Args:
            images: the images to store.
            times: the time of each, in microseconds since 1970, UTC; now if ``None``.
        """
        if times is None:
            times = [read_clock() for _ in images]
        self._begin_writing()
        collection_id = self._get_or_create_collection_id()
        # Processes that lock the rows in the same order do not deadlock.
        rows = sorted(
            (
                _build_row(image, collection_id, image_time)
                for image, image_time in zip(images, times, strict=True)
            ),
            key=lambda row: row.key,
        )
        known = self.images.filter(key__in=[row.key for row in rows])
        columns = known.values_list("pk", "key", "deleted", "digest")
        found, digests = {}, {}
        for pk, key, deleted, digest in columns:
            found[key] = pk, deleted is None
            digests[pk] = digest
        self._insert_or_update([row for row in rows if row.key not in found])
        replaced = [row for row in rows if row.key in found]
        for row in replaced:
            row.pk = found[row.key][0]
        self._update(replaced)
        self._forget(row.pk for row in replaced if digests.get(row.pk, "") not in ("", row.digest))
        publish_on_commit(self.database, collection_id, self._follow)
        stored = {
            row.image_id: StoredImage(
                collection_id, row.image_id, row.image_time, found.get(row.key, (0, False))[1]
            )
            for row in rows
        }
        return [stored[image.image_id] for image in images]

    def _update(self, rows: list[IndexedImage]) -> None:
        # By primary key: on MariaDB, replacing through the unique key would also lock the gap
        # before it, and so other writers' new rows, until the transaction ends.
        values = [[*(getattr(row, name) for name in _WRITTEN), row.pk] for row in rows]
        if rows and self._write(
            lambda: update_each(IndexedImage, _WRITTEN, ["id"], values, using=self.database)
        ) < len(rows):
            for row in rows:  # one was purged meanwhile
                row.pk = None
            self._insert_or_update(rows)

    def _insert_or_update(self, rows: list[IndexedImage]) -> None:
        if not rows:
            return
        features = connections[self.database].features
        manager = IndexedImage.objects.using(self.database)
        self._write(
            lambda: manager.bulk_create(
                rows,
                update_conflicts=True,
                update_fields=_WRITTEN,
                unique_fields=(
                    ["collection", "key"]
                    if features.supports_update_conflicts_with_target
                    else None
                ),
            )
        )

    def delete(self, image_id: str) -> StoredImage:
        """Replace one image with a tombstone.

        Raises:
            ImageMissing: the image does not exist.
        """
        values = {"deleted": read_clock(), "vector": b"", "digest": "", "thumbnail": None}
        values |= {"capture": None, **_NO_EMBEDDING}
        pk, stored = self._change(image_id, values)
        self._forget([pk])
        return stored

    def _change(self, image_id: str, values: Mapping[str, Any]) -> tuple[int, StoredImage]:
        """Change a row, and return its primary key and the image."""
        self._begin_writing()
        pk, stored = self._find_live(image_id)
        row = IndexedImage.objects.using(self.database).filter(pk=pk, deleted__isnull=True)
        if not self._write(lambda: row.update(seq=None, **values)):
            raise build_image_missing(image_id)
        publish_on_commit(self.database, stored.collection_id, self._follow)
        return pk, stored

    def _forget(self, pks: Iterable[int]) -> None:
        """Delete what closer looks have found of images whose file is gone."""
        pks = list(pks)
        self._write(lambda: forget_images(self.database, pks))

    def touch(self, image_id: str) -> StoredImage:
        """Give one image a new number, as if it had changed. Its time stays the same.

        Raises:
            ImageMissing: the image does not exist.
        """
        return self._change(image_id, {})[1]

    def published_version(self) -> Version:
        """Number committed rows, then return the collection's version."""
        collection_id = self.get_or_create_collection_id()
        publish(self.database, collection_id)
        # Read the horizon before any rows: see ``publish.purge``.
        rows = Collection.objects.using(self.database).filter(pk=collection_id)
        return Version(*rows.values_list("pk", "seq", "horizon").get())

    def replace_descriptor(self, image: NewImage) -> bool:
        """Replace the descriptor of an image whose file is the same. Its id and time stay the same.

        Args:
            image: the image with its new descriptor.

        Returns:
            Whether the image exists and still has that file.
        """
        self._begin_writing()
        same = self.images.filter(
            key=key_of(image.image_id), digest=image.digest, deleted__isnull=True
        )
        found = same.values_list("pk", "collection_id").first()
        if found is None:
            return False
        pk, collection_id = found
        # A different digest means a different file: replaced between the two statements.
        row = IndexedImage.objects.using(self.database).filter(
            pk=pk, digest=image.digest, deleted__isnull=True
        )
        values = {"seq": None, **{name: getattr(image, name) for name in _DESCRIPTION}}
        if not self._write(lambda: row.update(**values)):
            return False
        publish_on_commit(self.database, collection_id, self._follow)
        return True

    def drop(self) -> None:
        """Delete the collection and all its images, if it exists."""
        self._begin_writing()
        collection_id = self.find_collection_id()
        self._write(self._drop)
        forget = self._forget_collection
        if collection_id is not None and forget is not None:
            transaction.on_commit(partial(forget, collection_id), using=self.database, robust=True)

    def _drop(self) -> None:
        with transaction.atomic(using=self.database):
            # Don't cascade: it would first read the rows to delete, perhaps in an older
            # snapshot of the caller's transaction.
            for model in (PairVerdict, NotDuplicate, IndexedImage, VectorBlock, OutsideIndexState):
                model._base_manager.using(self.database).filter(collection__key=self.key).delete()
            Collection.objects.using(self.database).filter(key=self.key).delete()


def _build_row(image: NewImage, collection_id: str, image_time: int) -> IndexedImage:
    return IndexedImage(
        collection_id=collection_id,
        key=key_of(image.image_id),
        image_id=image.image_id,
        image_time=image_time,
        **{name: getattr(image, name) for name in _CONTENT},
    )


def _exists(image: NewImage) -> ImageExists:
    return ImageExists(f"The image id {image.image_id!r} exists already.")
