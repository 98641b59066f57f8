"""One uploaded file: its digest and what was found for it, worked out once per request."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.core.files.uploadedfile import UploadedFile
from django.db.models.fields.files import FieldFile

from django_visualsnoop.client.sources import read_image

if TYPE_CHECKING:
    from django_visualsnoop.client.sources import ImageSource

#: Where an uploaded file keeps its ``Upload``.
_KEPT_AT = "_visualsnoop_upload"
_CHUNK = 1 << 20


class Upload:
    """A picture that is about to be saved.

    It keeps no bytes: Django stores large uploads on disk so that memory does not hold them.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source: Any = source
        #: Keys of the rows that searches found, by what was searched.
        self.found: dict[object, list[Any]] = {}

    @classmethod
    def of(cls, source: ImageSource) -> Upload:
        """Return the upload of a file, the same for the same file."""
        file: Any = source
        if isinstance(file, FieldFile):
            file = file.file
        if not isinstance(file, UploadedFile):
            return cls(file)
        known: Upload | None = vars(file).get(_KEPT_AT)
        if known is None:
            known = vars(file)[_KEPT_AT] = cls(file)
        return known

    def read(self) -> bytes:
        """Return the bytes; the file is left at its start, as Django leaves it to a save."""
        content = read_image(self._source)
        if not getattr(self._source, "closed", True):
            self._source.seek(0)
        return content

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hex."""
        if isinstance(self._source, UploadedFile):
            hasher = hashlib.sha256()
            for chunk in self._source.chunks(_CHUNK):
                hasher.update(chunk)
            self._source.seek(0)
            return hasher.hexdigest()
        return hashlib.sha256(self.read()).hexdigest()

    @cached_property
    def size(self) -> int:
        """The number of bytes."""
        known = getattr(self._source, "size", None)
        return known if isinstance(known, int) else len(self.read())
