"""Read the rows of one collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count, Exists, F, Max, Q, Sum
from django.db.models.functions import Length

from django_visualsnoop.common.batches import iter_batches
from django_visualsnoop.engine.exceptions import build_image_missing
from django_visualsnoop.engine.models import Collection, IndexedImage, key_of
from django_visualsnoop.engine.storage.queries import to_bytes
from django_visualsnoop.engine.storage.times import read_clock
from django_visualsnoop.engine.storage.values import (
    ImageDetails,
    ImagePage,
    StoredChange,
    StoredChanges,
    StoredDescriptor,
    StoredImage,
    StoredUsage,
    Version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import OuterRef, QuerySet

#: Number of rows read at a time.
_PAGE = 1000
#: How long processes of a release without embeddings may run beside newer ones.
_ROLLOUT_SECONDS = 24 * 3600


class StoreReader:
    """What the rows of one collection say.

    Args:
        database: alias in ``DATABASES``.
        name: name of the collection.
    """

    def __init__(self, database: str, name: str) -> None:
        self.database = database
        self.name = name
        self.key = key_of(name)

    @property
    def images(self) -> QuerySet[IndexedImage]:
        """The rows of all images, and of deleted ones."""
        return IndexedImage.objects.using(self.database).filter(collection__key=self.key)

    def find_collection_id(self) -> str | None:
        """Return the collection's id; ``None`` if nothing has been written yet."""
        collections = Collection.objects.using(self.database).filter(key=self.key)
        return collections.values_list("collection_id", flat=True).first()

    def get(self, image_id: str) -> StoredImage:
        """Return one image.

        Raises:
            ImageMissing: the image does not exist.
        """
        return self._find_live(image_id)[1]

    def _find_live(self, image_id: str) -> tuple[int, StoredImage]:
        rows = self.images.filter(key=key_of(image_id), deleted__isnull=True)
        found = rows.values_list("pk", "collection_id", "image_time").first()
        if found is None:
            raise build_image_missing(image_id)
        pk, collection_id, image_time = found
        return pk, StoredImage(collection_id, image_id, image_time)

    def read_descriptors(self, image_ids: Iterable[str]) -> Iterator[StoredDescriptor]:
        """Yield the descriptors of the images that exist, of any version."""
        keys = list(map(key_of, image_ids))
        for start in range(0, len(keys), _PAGE):
            rows = self.images.filter(key__in=keys[start : start + _PAGE], deleted__isnull=True)
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
            rows = self.images.filter(key__in=keys[start : start + _PAGE], deleted__isnull=True)
            for row in rows.values_list(*ImageDetails._fields):
                found[row[0]] = ImageDetails(*row)
        return found

    def read_known_digests(
        self,
        image_ids: Iterable[str],
        version: int,
        embedding_model: str,
        *,
        max_pixels: int,
        capture_times: bool,
    ) -> dict[str, str]:
        """Return the SHA-256 of the files that this version and this model have described.

        Args:
            image_ids: ids of images.
            version: the description version.
            embedding_model: ``hash_identity`` of the model; empty without. The result omits
                pictures that it failed to describe.
            max_pixels: the result omits larger pictures.
            capture_times: whether the result includes pictures with a capture.
        """
        described = Q(version=version, embedding_model=embedding_model)
        if embedding_model:
            described &= Q(embedding_digest=F("digest"), embedding__isnull=False)
        if not capture_times:
            described &= Q(capture__isnull=True)
        keys = list(map(key_of, image_ids))
        found: dict[str, str] = {}
        for start in range(0, len(keys), _PAGE):
            rows = self.images.filter(described, key__in=keys[start : start + _PAGE])
            columns = rows.filter(deleted__isnull=True).values_list(
                "image_id", "digest", "width", "height"
            )
            found |= {
                image_id: digest
                for image_id, digest, width, height in columns
                if width * height <= max_pixels
            }
        return found

    def iterate_ids(self) -> Iterator[str]:
        """Yield the ids of all images, with one query per page."""
        return _iterate_ids(self.images.filter(deleted__isnull=True))

    def iterate_ids_of_version(self, version: int) -> Iterator[str]:
        """Yield the ids of the images whose vector has this version, with one query per page."""
        return _iterate_ids(self.images.filter(version=version, deleted__isnull=True))

    def count_before_version(self, version: int, embedding_model: str | None = None) -> int:
        """Return how many images are of a version before this one, or lack an embedding.

        Args:
            version: the description version.
            embedding_model: also count images of this version that this model has not described.
        """
        outdated = Q(version__lt=version)
        if embedding_model is not None:
            outdated |= Q(version=version) & ~Q(embedding_model=embedding_model)
        return self.images.filter(outdated, deleted__isnull=True).count()

    def iterate_ids_of_other_embedding(self, embedding_model: str, version: int) -> Iterator[str]:
        """Yield the ids of the images of a version that this model has not described.

        This executes one query per existing model, two more, and one per page.
        """
        images = self.images.filter(version=version, deleted__isnull=True)
        others = self.images.order_by("embedding_model").values_list("embedding_model", flat=True)
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
        shown = self.images.filter(embedding_model=embedding_model, deleted__isnull=True)
        return shown.filter(embedding__isnull=True).count()

    def count(self) -> int:
        """Return the number of images. The database reads every row."""
        return self.images.filter(deleted__isnull=True).count()

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
                raise build_image_missing(start)
            return ImagePage(None, [], None)
        images = IndexedImage.objects.using(self.database).filter(collection_id=collection_id)
        rows = images.filter(deleted__isnull=True)
        if start is not None:
            place = images.filter(key=key_of(start)).values_list("image_time", "pk").first()
            if place is None:
                raise build_image_missing(start)
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

    def count_written_since(self, version: Version, time: int) -> int:
        """Return how many of the images were added, replaced or described again since then.

        Args:
            version: the version of the collection then.
            time: microseconds since 1970, UTC: when the version was read. Rows that have no number
                yet, such as those of an open transaction, count from then on.
        """
        rows = IndexedImage.objects.using(self.database).filter(collection_id=version.collection_id)
        written = Q(seq__gt=version.seq) | Q(seq__isnull=True, image_time__gt=time)
        return rows.filter(written, deleted__isnull=True).count()

    def usage(self) -> StoredUsage:
        """Return the size of the collection. The database reads every row."""
        live = Q(deleted__isnull=True)
        counts = self.images.aggregate(
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
        return Exists(self.images.filter(key=key, deleted__isnull=True))


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
