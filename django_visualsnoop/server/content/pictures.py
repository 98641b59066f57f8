"""The pictures that a collection retains: thumbnails and originals, in a Django storage.

A file is written before the row that names it, and deleted after that row. A crash in between
leaves a file without a row, which ``sweep_files`` deletes, and never a row without its file.
"""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import transaction
from django.db.models import OuterRef
from django.utils import timezone
from PIL import Image

from django_visualsnoop.engine.images.decode import find_format
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.models import HostedCollection, Retention, StoredPicture, database
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.core.files.storage import Storage
    from django.db.models import QuerySet

    from django_visualsnoop.common.open_pictures import OpenPicture
    from django_visualsnoop.engine.images.decode import Picture
    from django_visualsnoop.engine.storage.values import NewImage

logger = logging.getLogger("django_visualsnoop.server")

#: All files are in this folder of the storage; each collection has a subfolder.
FOLDER = "visualsnoop"
#: The longer side of a thumbnail, in pixels.
THUMBNAIL_SIDE = 320
#: The transaction of a file without a row may still be in progress.
ORPHAN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewFile:
    """The bytes of a picture to retain."""

    kind: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class NewPicture:
    """The data to store of one image, with the files that its collection retains."""

    image: NewImage
    files: tuple[NewFile, ...] = ()


def make_files(picture: Picture, content: bytes, retention: str) -> tuple[NewFile, ...]:
    """Return the files that a collection retains of a picture.

    Args:
        picture: the decoded picture.
        content: the file from which it was decoded.
        retention: one of ``Retention``.
    """
    if retention == Retention.NOTHING:
        return ()
    thumbnail = _make_thumbnail(picture)
    if retention != Retention.ORIGINALS:
        return (thumbnail,)
    content_type = f"image/{find_format(content).lower()}"
    return thumbnail, NewFile(StoredPicture.Kind.ORIGINAL, content, content_type)


def _make_thumbnail(picture: Picture) -> NewFile:
    """Return a thumbnail made from pixels alone, without any metadata of the file."""
    image = Image.fromarray(picture.pixels)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=82, optimize=True)
    return NewFile(StoredPicture.Kind.THUMBNAIL, written.getvalue(), "image/jpeg")


def get_storage() -> Storage:
    """Return the storage that contains the files."""
    return storages[get_options().storage]


class StoredFiles:
    """The files of one image that are already in the storage, but have no rows yet."""

    def __init__(self, collection: HostedCollection, image_id: str) -> None:
        self.collection = collection
        self.image_id = image_id
        self.stored: list[tuple[NewFile, str]] = []
        self.have_rows = False

    def write_rows(self) -> None:
        """Write the files' rows and replace the image's old ones; call this in its transaction."""
        delete_pictures(get_pictures(self.collection, self.image_id))
        StoredPicture.objects.using(database()).bulk_create(
            StoredPicture(
                collection=self.collection,
                key=Store.image_key(self.image_id),
                kind=file.kind,
                name=name,
                content_type=file.content_type,
                bytes=len(file.content),
            )
            for file, name in self.stored
        )
        self.have_rows = True


@contextmanager
def store_files(collection: HostedCollection, new: NewPicture) -> Iterator[StoredFiles]:
    """Store the files of an image; call this outside of the transaction that writes their rows.

    A storage may be slow, and on SQLite, nobody else could write meanwhile.

    Args:
        collection: the collection of the image.
        new: the return value of ``HostedImages.describe``. If the block fails, or writes no rows,
            this deletes the files.
    """
    files = StoredFiles(collection, new.image.image_id)
    try:
        for file in new.files:
            random = token_hex(16)
            name = f"{FOLDER}/{collection.pk}/{random[:2]}/{random}"
            files.stored.append((file, get_storage().save(name, ContentFile(file.content))))
        yield files
    except BaseException:
        files.have_rows = False
        raise
    finally:
        if not files.have_rows:
            _delete_files([name for _, name in files.stored])


def get_pictures(collection: HostedCollection, image_id: str) -> QuerySet[StoredPicture]:
    """Return the retained pictures of an image."""
    return get_pictures_of(collection, [image_id])


def get_pictures_of(
    collection: HostedCollection, image_ids: Iterable[str]
) -> QuerySet[StoredPicture]:
    """Return the retained pictures of several images."""
    return _get_rows().filter(
        collection=collection, key__in=[Store.image_key(one) for one in image_ids]
    )


def get_newest(collection: HostedCollection, image_id: str, kind: str) -> StoredPicture | None:
    """Return the newest retained picture of one kind of an image, or ``None``."""
    return get_pictures(collection, image_id).filter(kind=kind).order_by("-pk").first()


def find_originals(
    collection: HostedCollection, image_ids: Iterable[str]
) -> dict[str, OpenPicture]:
    """Return what opens the retained originals of images, by image id, with one query."""
    by_key = {Store.image_key(image_id): image_id for image_id in image_ids}
    rows = _get_rows().filter(
        collection=collection, kind=StoredPicture.Kind.ORIGINAL, key__in=list(by_key)
    )
    # If there are several for a moment, the newest is the last.
    names = rows.order_by("pk").values_list("key", "name")
    return {by_key[key]: partial(get_storage().open, name) for key, name in names}


def find_thumbnails(collection: HostedCollection, image_ids: Iterable[str]) -> set[str]:
    """Return the ids of the images that have a thumbnail, in one query."""
    by_key = {Store.image_key(image_id): image_id for image_id in image_ids}
    rows = _get_rows().filter(
        collection=collection, kind=StoredPicture.Kind.THUMBNAIL, key__in=list(by_key)
    )
    return {by_key[key] for key in rows.values_list("key", flat=True)}


def delete_pictures(pictures: QuerySet[StoredPicture]) -> int:
    """Delete rows now, and their files on commit; return the number of rows."""
    found = dict(pictures.values_list("pk", "name"))
    if found:
        get_rows_of_all().filter(pk__in=list(found)).delete()
        names = list(found.values())
        transaction.on_commit(lambda: _delete_files(names), using=database(), robust=True)
    return len(found)


def delete_unwanted(collection: HostedCollection) -> int:
    """Delete what the owner has chosen not to retain any longer; return how many."""
    unwanted = {
        Retention.NOTHING: list(StoredPicture.Kind),
        Retention.THUMBNAILS: [StoredPicture.Kind.ORIGINAL],
    }.get(Retention(collection.retention), [])
    return delete_pictures(get_rows_of_all().filter(collection=collection, kind__in=unwanted))


def delete_left_over() -> int:
    """Delete pictures stored while their image was deleted or the owner reduced the retention."""
    dropped = 0
    # Read all rows first: SQLite does not let a connection write while it is still reading.
    for collection in list(HostedCollection.objects.using(database())):
        store = Store(database(), collection.gallery_name)
        left_over = _get_rows().filter(~store.has_key(OuterRef("key")), collection=collection)
        dropped += write_atomically(partial(delete_unwanted, collection))
        dropped += write_atomically(partial(delete_pictures, left_over))
    return dropped


def _get_rows() -> QuerySet[StoredPicture]:
    return get_rows_of_all().filter(removal=None)


def get_rows_of_all() -> QuerySet[StoredPicture]:
    """Return all retained pictures, also those of deleted images that can be restored."""
    return StoredPicture.objects.using(database())


def _delete_files(names: Iterable[str]) -> None:
    for name in names:
        try:
            get_storage().delete(name)
        except Exception:  # the sweep finds it later
            logger.warning("Could not delete the file %s now", name, exc_info=True)


def find_orphans() -> Iterator[str]:
    """Yield files without a row that are at least a day old."""
    before = timezone.now() - ORPHAN_AFTER
    for folder in _list_folders(FOLDER):
        for part in _list_folders(folder):
            names = [f"{part}/{name}" for name in get_storage().listdir(part)[1]]
            known = set(get_rows_of_all().filter(name__in=names).values_list("name", flat=True))
            for name in names:
                if name not in known and _get_modified_time(name) < before:
                    yield name


def _list_folders(path: str) -> list[str]:
    try:
        return [f"{path}/{name}" for name in get_storage().listdir(path)[0]]
    except FileNotFoundError:
        return []


def _get_modified_time(name: str) -> Any:
    time = get_storage().get_modified_time(name)
    return time if timezone.is_aware(time) else timezone.make_aware(time)


def sweep_files() -> int:
    """Delete files that belong to no image or are no longer retained. Return their number."""
    dropped = delete_left_over()
    names = list(find_orphans())
    _delete_files(names)
    return dropped + len(names)
