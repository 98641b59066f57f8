"""Read and decode the files of a collection's images, each once."""

from __future__ import annotations

import logging
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.matching.overlay import find_full_features

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from django_visualsnoop.common.open_pictures import FindPictures, OpenPicture
    from django_visualsnoop.engine.images.decode import Picture
    from django_visualsnoop.engine.matching.overlay import FullFeatures

logger = logging.getLogger("django_visualsnoop.engine")

#: Decoded pictures kept in memory, of at most 1.3 MB each: one of many copies is read once.
_KEPT = 16


class ReadPicture(NamedTuple):
    """A picture that was read and decoded."""

    picture: Picture
    features: FullFeatures


class PictureFiles:
    """The files of images.

    Args:
        find_pictures: returns what opens the files of images.
        decode: decodes a file, or raises ``DecodeError``.
        max_bytes: the size limit of a file.
    """

    def __init__(
        self,
        find_pictures: FindPictures,
        decode: Callable[[bytes], Picture],
        max_bytes: int,
    ) -> None:
        self._find_pictures = find_pictures
        self._decode = decode
        self._max_bytes = max_bytes
        self._expected: Collection[str] = ()
        self._openers: Mapping[str, OpenPicture] | None = None
        self._read: OrderedDict[str, ReadPicture | None] = OrderedDict()

    def expect(self, image_ids: Collection[str]) -> None:
        """Note which images may be read next, to find what opens their files together."""
        self._expected = image_ids
        self._openers = None

    def read(self, image_id: str, digest: str) -> ReadPicture | None:
        """Return the picture of an image; ``None`` if its file is gone, changed or broken.

        Args:
            image_id: one of the expected ids.
            digest: SHA-256 of the file that the collection has described.
        """
        if digest in self._read:
            self._read.move_to_end(digest)
            return self._read[digest]
        if self._openers is None:
            self._openers = self._find_pictures(self._expected)
        opener = self._openers.get(image_id)
        found = None if opener is None else self._read_file(image_id, opener, digest)
        self._read[digest] = found
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return found

    def _read_file(self, image_id: str, opener: OpenPicture, digest: str) -> ReadPicture | None:
        try:
            with opener() as opened:
                content = opened.read(self._max_bytes + 1)
        except Exception as error:  # a storage may raise anything
            if is_interruption(error):
                raise
            logger.info("No closer look at the image %r: %s", image_id, error)
            return None
        if len(content) > self._max_bytes or sha256(content).hexdigest() != digest:
            return None
        try:
            picture = self._decode(content)
        except DecodeError as error:
            logger.info("No closer look at the image %r: %s", image_id, error)
            return None
        return ReadPicture(picture, find_full_features(picture.pixels))
