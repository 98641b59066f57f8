"""What closer looks at pairs of files have found, so that no pair is looked at twice."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from django.db import DatabaseError, connections, transaction

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.transactions import is_lock_error, retry_when_locked
from django_visualsnoop.engine.models import IndexedImage, PairVerdict, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
logger = logging.getLogger("django_visualsnoop.engine")

#: Number of rows read or deleted together.
_TOGETHER = 500
#: How long to wait for another writer, in seconds: what is not stored is found again.
_PATIENCE = 5.0


class StoredFile(NamedTuple):
    """The file of an image, as the collection knows it."""

    #: Primary key of the image's row.
    pk: int
    collection_id: str
    #: SHA-256 of the file.
    digest: str


class Verdict(NamedTuple):
    """What a closer look at two files has found."""

    #: One of ``search_options.RELATIONS``.
    relation: str
    #: The logarithm of the odds that one is a copy of the other.
    score: float
    #: 0 to 1: the share of what both show that differs.
    difference: float


class NewVerdict(NamedTuple):
    """A verdict to store, with images that have the files."""

    first: StoredFile
    second: StoredFile
    verdict: Verdict


def hash_files(first_digest: str, second_digest: str) -> str:
    """Return the key of a pair of files: the same in either order, and neither can be read."""
    return sha256(" ".join(sorted((first_digest, second_digest))).encode()).hexdigest()


def read_files(database: str, name: str, image_ids: Iterable[str]) -> dict[str, StoredFile]:
    """Return the files of the images that exist, by image id.

    Args:
        database: alias in ``DATABASES``.
        name: name of the collection.
        image_ids: ids of the images.
    """
    images = IndexedImage.objects.using(database).filter(
        collection__key=key_of(name), deleted__isnull=True
    )
    found = {}
    for some in batched(image_ids, _TOGETHER):
        rows = images.filter(key__in=list(map(key_of, some)))
        for image_id, pk, collection_id, digest in rows.values_list(
            "image_id", "pk", "collection_id", "digest"
        ):
            found[image_id] = StoredFile(pk, collection_id, digest)
    return found


def read_verdicts(
    database: str, collection_id: str, keys: Iterable[str], version: int
) -> dict[str, Verdict]:
    """Return the known verdicts by ``hash_files``.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        keys: ``hash_files`` of the pairs.
        version: only verdicts of this version of the closer look.
    """
    rows = PairVerdict.objects.using(database).filter(collection_id=collection_id, version=version)
    found: dict[str, Verdict] = {}
    for some in batched(keys, _TOGETHER):
        columns = rows.filter(key__in=some).values_list("key", *Verdict._fields)
        found |= {key: Verdict(*values) for key, *values in columns}
    return found


def write_verdicts(database: str, new: Collection[NewVerdict], version: int) -> None:
    """Store verdicts, and delete those of older versions of the same images.

    A failure is logged, and harmless: a later run looks again.
    """
    if not new:
        return
    connection = connections[database]
    if not connection.in_atomic_block and not connection.get_autocommit():
        return  # an error would break the transaction that somebody commits by hand
    rows = [
        PairVerdict(
            collection_id=one.first.collection_id,
            key=hash_files(one.first.digest, one.second.digest),
            first_id=one.first.pk,
            second_id=one.second.pk,
            version=version,
            **one.verdict._asdict(),
        )
        for one in new
    ]
    # Processes that insert rows in the same order do not deadlock.
    rows.sort(key=lambda row: row.key)

    def write() -> None:
        with transaction.atomic(using=database):
            PairVerdict.objects.using(database).bulk_create(rows, ignore_conflicts=True)

    try:
        retry_when_locked(write, using=database, patience=_PATIENCE)
        verdicts = PairVerdict.objects.using(database)
        images = {row.first_id for row in rows}
        old = verdicts.filter(first_id__in=images, version__lt=version)
        _delete(database, old.values_list("pk"))
    except DatabaseError as error:
        level = logging.INFO if is_lock_error(error) else logging.WARNING
        logger.log(level, "Could not store what closer looks have found: %s", error)


def forget_images(database: str, pks: Iterable[int]) -> None:
    """Delete the verdicts of images that are deleted, or whose file has changed.

    Args:
        database: alias in ``DATABASES``.
        pks: primary keys of the images' rows.
    """
    verdicts = PairVerdict.objects.using(database)
    for some in batched(pks, _TOGETHER):
        # Each part uses an index of its own; databases may read the whole table for an OR.
        first, second = verdicts.filter(first_id__in=some), verdicts.filter(second_id__in=some)
        _delete(database, first.values_list("pk").union(second.values_list("pk")))


def _delete(database: str, pks: Iterable[tuple[int]]) -> None:
    """Delete rows by their primary keys.

    There are nearly never any. On MariaDB, a DELETE by another index would then lock the gaps in
    that index, and so other writers.
    """
    verdicts = PairVerdict.objects.using(database)
    for some in batched([pk for (pk,) in pks], _TOGETHER):
        verdicts.filter(pk__in=some).delete()
