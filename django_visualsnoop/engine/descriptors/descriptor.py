"""The data stored for finding the copies of a picture. Imports no Django."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from django_visualsnoop.engine.descriptors.thumbnail import Thumbnail
from django_visualsnoop.engine.images.capture import Capture

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Descriptors of different versions cannot be compared. Raise this whenever any value changes.
VERSION = 4
#: Version of all that is kept of an image: from 5 on, a thumbnail as well as the descriptor.
DESCRIPTION_VERSION = 5
#: Versions of descriptions whose descriptors can be compared.
COMPARABLE = frozenset({4, 5})
DIMENSIONS = 256
MAX_FEATURES = 128
#: Number of codes of a picture that is identified by its file.
BY_FILE = 4
#: The longer side, in pixels, of the scaled picture to which ``places`` refer.
SIDE = 200

_HEADER = struct.Struct("<BB?")  # version, number of features, whether it is known by its file
#: Size of the vector and the header.
START_BYTES = DIMENSIONS + _HEADER.size
#: A code, a word of 24 bits, and a place.
_FEATURE_BYTES = 8 + 3 + 4


class Descriptor(NamedTuple):
    """One picture: a global vector, and its most distinct local features.

    The features are SIFT features, with values reduced to the signs of a rotated
    principal projection. Row k of all three arrays describes ``features[k]``.

    A featureless picture (see ``featureless``) is identified by its file: its four codes
    are the SHA-256 of the file, so that only equal files agree.
    """

    #: ``DIMENSIONS`` signed bytes, compared by cosine; the length has no meaning.
    vector: NDArray[np.int8]
    #: n at most ``MAX_FEATURES``; 64 bits each, compared by Hamming distance.
    codes: NDArray[np.uint64]
    #: n; the coarse word of each, below ``WORDS``.
    words: NDArray[np.uint32]
    #: n x 4: x and y in pixels at ``SIDE``, scale in sixteenths of an octave from one pixel,
    #: direction in 256ths of a turn.
    places: NDArray[np.uint8]
    #: Whether codes, words and places identify the file, not the content.
    by_file: bool = False
    #: Not part of the bytes; ``None`` for images that an older release described.
    thumbnail: Thumbnail | None = None
    #: When a camera took it, likewise; ``None`` if unknown.
    capture: Capture | None = None

    def to_bytes(self) -> bytes:
        """Return at most 2,179 bytes, little-endian on every machine; the vector comes first."""
        words = self.words.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3]
        return b"".join(
            (
                self.vector.tobytes(),
                _HEADER.pack(VERSION, len(self.codes), self.by_file),
                self.codes.astype("<u8").tobytes(),
                words.tobytes(),
                self.places.tobytes(),
            )
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Descriptor:
        """Return the descriptor for bytes from ``to_bytes``.

        Raises:
            ValueError: the bytes are truncated, of another version, or not a descriptor.
        """
        count = count_features(content)
        codes = START_BYTES
        words = codes + 8 * count
        raw = np.frombuffer(content, dtype=np.uint8)
        padded = np.zeros((count, 4), dtype=np.uint8)
        padded[:, :3] = raw[words : words + 3 * count].reshape(count, 3)
        return cls(
            raw[:DIMENSIONS].view(np.int8),
            raw[codes:words].view("<u8").astype(np.uint64),
            padded.view("<u4").astype(np.uint32, copy=False).ravel(),
            raw[words + 3 * count :].reshape(count, 4),
            by_file=bool(content[START_BYTES - 1]),
        )


def parse_description(
    version: int, content: bytes, thumbnail: bytes | None, capture: bytes | None
) -> Descriptor:
    """Return the descriptor, with its thumbnail and capture, from what is kept of an image.

    Args:
        version: the version of the description.
        content: ``Descriptor.to_bytes()``.
        thumbnail: ``thumbnail.encode()``; ``None`` without one.
        capture: ``Capture.pack()``; ``None`` without one.

    Raises:
        ValueError: the bytes are broken, or of a version that cannot be compared.
    """
    if version not in COMPARABLE:
        raise ValueError(f"Descriptions of version {version} cannot be compared.")
    descriptor = Descriptor.from_bytes(content)
    # An older release leaves what it does not know of the file that it replaces.
    if thumbnail is None or version < DESCRIPTION_VERSION:
        return descriptor
    taken = None if capture is None else Capture.unpack(capture)
    return descriptor._replace(thumbnail=Thumbnail(thumbnail), capture=taken)


def count_features(content: bytes) -> int:
    """Return the number of features of a descriptor in bytes.

    Raises:
        ValueError: the bytes are truncated, of another version, or not a descriptor.
    """
    if len(content) < START_BYTES:
        raise ValueError("A descriptor must contain at least a vector and a header.")
    version, count, _ = _HEADER.unpack_from(content, DIMENSIONS)
    if version != VERSION:
        raise ValueError(f"The descriptor must have version {VERSION}, not {version}.")
    expected = START_BYTES + count * _FEATURE_BYTES
    if count > MAX_FEATURES or len(content) != expected:
        raise ValueError(f"The descriptor must have {expected} bytes, not {len(content)}.")
    return int(count)


def normalise(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return vectors, in the last axis, scaled to length one; zero vectors stay unchanged."""
    floats: NDArray[np.float32] = vectors.astype(np.float32)
    lengths = np.sqrt(np.square(floats).sum(axis=-1, keepdims=True))
    floats /= np.maximum(lengths, np.float32(1e-6))
    return floats


def quantise(vector: NDArray[np.floating]) -> NDArray[np.int8]:
    """Return a vector as signed bytes, to compare by cosine; a zero vector stays unchanged."""
    largest = np.abs(vector).max()
    scaled = np.rint(vector * (127.0 / largest)) if largest > 0 else np.zeros(vector.shape)
    values: NDArray[np.int8] = scaled.astype(np.int8)
    return values
