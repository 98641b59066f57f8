"""What the store of a collection takes and returns. Imports no Django."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class NewImage:
    """An image to store; see ``IndexedImage``."""

    image_id: str
    vector: bytes
    version: int
    digest: str
    width: int
    height: int
    thumbnail: bytes | None = None
    capture: bytes | None = None
    embedding: bytes | None = None
    embedding_model: str = ""
    embedding_digest: str = ""


class StoredImage(NamedTuple):
    collection_id: str
    image_id: str
    #: Microseconds since 1970, UTC.
    image_time: int
    #: Whether it existed before.
    existed: bool = True


class StoredDescriptor(NamedTuple):
    image_id: str
    vector: bytes
    width: int
    height: int
    #: Version of the description.
    version: int
    #: ``thumbnail.encode()``; valid from description version 5 on.
    thumbnail: bytes | None = None
    #: ``Capture.pack()``, likewise.
    capture: bytes | None = None


class ImageDetails(NamedTuple):
    image_id: str
    #: Microseconds since 1970, UTC.
    image_time: int
    #: SHA-256 of the file.
    digest: str
    width: int
    height: int


class ImagePage(NamedTuple):
    #: ``None`` until something is written.
    collection_id: str | None
    images: list[StoredImage]
    next_image_id: str | None


class Version(NamedTuple):
    """The version of a collection. It differs after each committed change."""

    collection_id: str
    #: The last number given to committed rows; see ``publish``.
    seq: int
    #: Tombstones numbered up to here may be gone.
    horizon: int


class StoredChange(NamedTuple):
    image_id: str
    deleted: bool


class StoredChanges(NamedTuple):
    changes: list[StoredChange]
    #: The number of the last change; ``None`` if nothing changed.
    seq: int | None
    #: Whether there are further changes.
    more: bool


class StoredUsage(NamedTuple):
    images: int
    #: Size of the descriptors.
    bytes: int
    #: When an image was last added, replaced or deleted, in microseconds since 1970, UTC.
    changed: int | None
