"""The rows of one collection: every statement that reads or writes them by image id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import IntegrityError, connections, transaction
from django.db.models import Count, Exists, F, Max, Q, Sum
from django.db.models.functions import Length

from django_visualsnoop.common.batches import iter_batches
from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.common.transactions import begin_writing, retry_when_locked
from django_visualsnoop.engine.exceptions import ImageExists, ImageMissing
from django_visualsnoop.engine.models import (
    Collection,
    IndexedImage,
    PairVerdict,
    VectorBlock,
    key_of,
)
from django_visualsnoop.engine.storage.publish import in_transaction, publish, publish_on_commit
from django_visualsnoop.engine.storage.queries import to_bytes
from django_visualsnoop.engine.storage.times import read_clock
from django_visualsnoop.engine.storage.values import (
    ImageDetails,
    ImagePage,
    NewImage,
    StoredChange,
    StoredChanges,
    StoredDescriptor,
    StoredImage,
    StoredUsage,
    Version,
)
from django_visualsnoop.engine.storage.verdicts import forget_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from django.db.models import OuterRef, QuerySet


_Written = TypeVar("_Written")


#: Number of rows read at a time.
_PAGE = 1000
_NO_EMBEDDING = {"embedding": None, "embedding_model": "", "embedding_digest": ""}
#: What is kept of a picture.
_DESCRIPTION = ("vector", "version", "thumbnail", "capture")
_CONTENT = [*_DESCRIPTION, "digest", "width", "height", *_NO_EMBEDDING]
#: How long processes of a release without embeddings may run beside newer ones.
_ROLLOUT_SECONDS = 24 * 3600
_WRITTEN = ["image_id", "image_time", "deleted", "seq", *_CONTENT]


class Store:
    """The rows of one collection.

    Each writing statement is a transaction of its own, and waits for other writers.
    Inside a transaction of the caller, a writing method waits before it reads: SQLite
    rejects a write at once if the transaction has read first.

    Args:
        database: alias in ``DATABASES``.
        name: name of the collection.
    """

    def __init__(self, database: str, name: str) -> None:
        self.database = database
        self.name = name
        self.key = key_of(name)

    @property
    def _images(self) -> QuerySet[IndexedImage]:
        return IndexedImage.objects.using(self.database).filter(collection__key=self.key)

    def _begin_writing(self) -> None:
        if in_transaction(self.database):
            begin_writing(IndexedImage, using=self.database)

    def _write(self, statement: Callable[[], _Written]) -> _Written:
        return retry_when_locked(statement, using=self.database)

    def find_collection_id(self) -> str | None:
        """Return the collection's id; ``None`` if nothing has been written yet."""
        collections = Collection.objects.using(self.database).filter(key=self.key)
        return collections.values_list("collection_id", flat=True).first()

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
        row = self._images.filter(key=key).values("pk", "deleted", "collection_id").first()
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
        publish_on_commit(self.database, collection_id)
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
        known = self._images.filter(key__in=[row.key for row in rows])
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
        publish_on_commit(self.database, collection_id)
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
        manager = IndexedImage.objects.using(self.database)
        if rows and self._write(lambda: manager.bulk_update(rows, _WRITTEN)) < len(rows):
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

    def get(self, image_id: str) -> StoredImage:
        """Return one image.

        Raises:
            ImageMissing: the image does not exist.
        """
        return self._find_live(image_id)[1]

    def delete(self, image_id: str) -> StoredImage:
        """Replace one image with a tombstone.

        Raises:
            ImageMissing: the image does not exist.
        """
        values = {"deleted": read_clock(), "vector": b"", "digest": "", "thumbnail": None}
        values |= {"capture": None, **_NO_EMBEDDING}
        return self._change(image_id, values)

    def _change(self, image_id: str, values: Mapping[str, Any]) -> StoredImage:
        self._begin_writing()
        pk, stored = self._find_live(image_id)
        row = IndexedImage.objects.using(self.database).filter(pk=pk, deleted__isnull=True)
        if not self._write(lambda: row.update(seq=None, **values)):
            raise _missing(image_id)
        if values.get("digest") == "":
            self._forget([pk])
        publish_on_commit(self.database, stored.collection_id)
        return stored

    def _forget(self, pks: Iterable[int]) -> None:
        """Delete what closer looks have found of images whose file is gone."""
        pks = list(pks)
        self._write(lambda: forget_images(self.database, pks))

    def _find_live(self, image_id: str) -> tuple[int, StoredImage]:
        rows = self._images.filter(key=key_of(image_id), deleted__isnull=True)
        found = rows.values_list("pk", "collection_id", "image_time").first()
        if found is None:
            raise _missing(image_id)
        pk, collection_id, image_time = found
        return pk, StoredImage(collection_id, image_id, image_time)

    def read_descriptors(self, image_ids: Iterable[str]) -> Iterator[StoredDescriptor]:
        """Yield the descriptors of the images that exist, of any version."""
        keys = list(map(key_of, image_ids))
        for start in range(0, len(keys), _PAGE):
            rows = self._images.filter(key__in=keys[start : start + _PAGE], deleted__isnull=True)
            for row in rows.values_list(*StoredDescriptor._fields):
                found = StoredDescriptor(*row)
                yield found._replace(
                    vector=bytes(found.vector),
                    thumbnail=to_bytes(found.thumbnail),
                    capture=to_bytes(found.capture),
                )

    def read_details(self, image_ids: Iterable[str]) -> dict[str, ImageDetails]:
        """Return the details of the images that exist, by id."""
        keys = list(map(key_of, image_ids))
        found = {}
        for start in range(0, len(keys), _PAGE):
            rows = self._images.filter(key__in=keys[start : start + _PAGE], deleted__isnull=True)
            for row in rows.values_list(*ImageDetails._fields):
                found[row[0]] = ImageDetails(*row)
        return found

    def touch(self, image_id: str) -> StoredImage:
        """Give one image a new number, as if it had changed. Its time stays the same.

        Raises:
            ImageMissing: the image does not exist.
        """
        return self._change(image_id, {})

    def iterate_ids(self) -> Iterator[str]:
        """Yield the ids of all images, with one query per page."""
        return _iterate_ids(self._images.filter(deleted__isnull=True))

    def iterate_ids_of_version(self, version: int) -> Iterator[str]:
        """Yield the ids of the images whose vector has this version, with one query per page."""
        return _iterate_ids(self._images.filter(version=version, deleted__isnull=True))

    def count_before_version(self, version: int) -> int:
        """Return how many images are of a version before this one."""
        return self._images.filter(version__lt=version, deleted__isnull=True).count()

    def iterate_ids_of_other_embedding(self, embedding_model: str, version: int) -> Iterator[str]:
        """Yield the ids of the images of a version that this model has not described.

        This executes one query per existing model, two more, and one per page.
        """
        images = self._images.filter(version=version, deleted__isnull=True)
        others = self._images.order_by("embedding_model").values_list("embedding_model", flat=True)
        other = others.first()
        while other is not None:
            if other != embedding_model:
                yield from _iterate_ids(images.filter(embedding_model=other))
            other = others.filter(embedding_model__gt=other).first()
        written_lately = read_clock() - _ROLLOUT_SECONDS * 1_000_000
        replaced = images.filter(image_time__gt=written_lately, embedding_model=embedding_model)
        yield from _iterate_ids(replaced.exclude(embedding_digest=F("digest")))

    def count_without_embedding(self, embedding_model: str) -> int:
        """Return how many images this model failed to describe."""
        shown = self._images.filter(embedding_model=embedding_model, deleted__isnull=True)
        return shown.filter(embedding__isnull=True).count()

    def count(self) -> int:
        """Return the number of images. The database reads every row."""
        return self._images.filter(deleted__isnull=True).count()

    def read_page(self, start: str | None, size: int) -> ImagePage:
        """Return images, newest first.

        Args:
            start: id of the first image; if it was deleted, the page starts at its place.
            size: the largest number of images.

        Raises:
            ImageMissing: no image has, or had until about a day ago, the id ``start``.
        """
        collection_id = self.find_collection_id()
        if collection_id is None:
            if start is not None:
                raise _missing(start)
            return ImagePage(None, [], None)
        images = IndexedImage.objects.using(self.database).filter(collection_id=collection_id)
        rows = images.filter(deleted__isnull=True)
        if start is not None:
            place = images.filter(key=key_of(start)).values_list("image_time", "pk").first()
            if place is None:
                raise _missing(start)
            image_time, pk = place
            rows = rows.filter(image_time__lte=image_time).exclude(image_time=image_time, pk__gt=pk)
        found = list(
            rows.order_by("-image_time", "-pk").values_list("image_id", "image_time")[: size + 1]
        )
        return ImagePage(
            collection_id,
            [StoredImage(collection_id, *row) for row in found[:size]],
            found[size][0] if len(found) > size else None,
        )

    def version(self) -> Version | None:
        """Return the collection's version; ``None`` if nothing has been written yet."""
        return versions(self.database, [self.name]).get(self.name)

    def published_version(self) -> Version:
        """Number committed rows, then return the collection's version."""
        collection_id = self.get_or_create_collection_id()
        publish(self.database, collection_id)
        # Read the horizon before any rows: see ``publish.purge``.
        rows = Collection.objects.using(self.database).filter(pk=collection_id)
        return Version(*rows.values_list("pk", "seq", "horizon").get())

    def changes_since(self, collection_id: str, seq: int, limit: int) -> StoredChanges:
        """Return the changes after a number. Each image occurs once, in its last state.

        Args:
            collection_id: from a ``Version``; if the collection was created again, the result is
                empty.
            seq: from a ``Version`` or from this method; deletions up to the horizon may be
                missing.
            limit: the approximate number of changes. Images that were numbered together stay
                together, so some hundred more may follow.
        """
        rows = IndexedImage.objects.using(self.database).filter(
            collection_id=collection_id, seq__gt=seq
        )
        numbers = list(rows.order_by("seq").values_list("seq", flat=True)[:limit])
        if not numbers or numbers[-1] is None:
            return StoredChanges([], None, more=False)
        last = numbers[-1]
        found = rows.filter(seq__lte=last).order_by("seq", "pk").values_list("image_id", "deleted")
        return StoredChanges(
            [StoredChange(image_id, deleted is not None) for image_id, deleted in found],
            last,
            more=rows.filter(seq__gt=last).exists(),
        )

    def replace_descriptor(self, image: NewImage) -> bool:
        """Replace the descriptor of an image whose file is the same. Its id and time stay the same.

        Args:
            image: the image with its new descriptor.

        Returns:
            Whether the image exists and still has that file.
        """
        self._begin_writing()
        same = self._images.filter(
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
        publish_on_commit(self.database, collection_id)
        return True

    def drop(self) -> None:
        """Delete the collection and all its images, if it exists."""
        self._begin_writing()
        self._write(self._drop)

    def _drop(self) -> None:
        with transaction.atomic(using=self.database):
            # Don't cascade: it would first read the rows to delete, perhaps in an older
            # snapshot of the caller's transaction.
            for model in (PairVerdict, IndexedImage, VectorBlock):
                model._base_manager.using(self.database).filter(collection__key=self.key).delete()
            Collection.objects.using(self.database).filter(key=self.key).delete()

    def usage(self) -> StoredUsage:
        """Return the size of the collection. The database reads every row."""
        live = Q(deleted__isnull=True)
        counts = self._images.aggregate(
            images=Count("pk", filter=live),
            bytes=Sum(Length("vector"), filter=live),
            added=Max("image_time"),
            deleted=Max("deleted"),
        )
        changed = max(counts["added"] or 0, counts["deleted"] or 0)
        return StoredUsage(counts["images"], counts["bytes"] or 0, changed or None)

    @staticmethod
    def image_key(image_id: str) -> str:
        """Return the key of an image id, as ``has_key`` takes it: 64 hexadecimal digits."""
        return key_of(image_id)

    def has_key(self, key: OuterRef | str) -> Exists:
        """Return a condition, for a query of other tables, that an image exists.

        Args:
            key: the key of the image; see ``image_key``.
        """
        return Exists(self._images.filter(key=key, deleted__isnull=True))


def versions(database: str, names: Iterable[str]) -> dict[str, Version]:
    """Return the versions of collections by name, with one query.

    The result omits collections to which nothing has been written yet.
    """
    name_of = {key_of(name): name for name in names}
    found = Collection.objects.using(database).filter(key__in=list(name_of))
    return {
        name_of[key]: Version(collection_id, seq, horizon)
        for key, collection_id, seq, horizon in found.values_list("key", "pk", "seq", "horizon")
    }


def _iterate_ids(images: QuerySet[IndexedImage]) -> Iterator[str]:
    for batch in iter_batches(images, "image_id", size=_PAGE):
        yield from (image_id for _, image_id in batch)


def _build_row(image: NewImage, collection_id: str, image_time: int) -> IndexedImage:
    return IndexedImage(
        collection_id=collection_id,
        key=key_of(image.image_id),
        image_id=image.image_id,
        image_time=image_time,
        **{name: getattr(image, name) for name in _CONTENT},
    )


def _missing(image_id: str) -> ImageMissing:
    return ImageMissing(f"The collection holds no image {image_id!r}.")


def _exists(image: NewImage) -> ImageExists:
    return ImageExists(f"The image id {image.image_id!r} exists already.")
