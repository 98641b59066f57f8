"""What is kept of a picture to find its copies. Imports no Django."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Descriptors of different versions cannot be compared. Raise it whenever one changes.
VERSION = 4
DIMENSIONS = 256
MAX_FEATURES = 128
#: Codes of a picture that is known by its file.
BY_FILE = 4
#: ``places`` holds pixels of the picture scaled to this, its longer side.
SIDE = 200

_HEADER = struct.Struct("<BB?")  # version, number of features, whether it is known by its file
#: The vector and the header.
START_BYTES = DIMENSIONS + _HEADER.size
#: A code, a word of 24 bits, and a place.
_FEATURE_BYTES = 8 + 3 + 4


class Descriptor(NamedTuple):
    """One picture: a global vector, and its most distinct local features.

    The features are those of SIFT, their values reduced to signs of a rotated
    principal projection. ``features[k]`` is meant by row k of all three.

    A picture that shows nothing by which to tell it from others (see ``featureless``) is known
    by its file: its four codes are the SHA-256 of that, so that only equal files agree.
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
    #: Whether codes, words and places stand for the file, and not for what the picture shows.
    by_file: bool = False

    def to_bytes(self) -> bytes:
        """Return at most 2,179 bytes, little-endian whatever the machine; first the vector."""
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
        """Return what ``to_bytes`` was called on.

        Raises:
            ValueError: the bytes are cut off, of another version, or none of ours.
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


def count_features(content: bytes) -> int:
    """Return how many features a descriptor in bytes has.

    Raises:
        ValueError: the bytes are cut off, of another version, or none of ours.
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
    """Return vectors, in the last axis, scaled to length one; those of zeros as they are."""
    floats: NDArray[np.float32] = vectors.astype(np.float32)
    lengths = np.sqrt(np.square(floats).sum(axis=-1, keepdims=True))
    floats /= np.maximum(lengths, np.float32(1e-6))
    return floats


def quantise(vector: NDArray[np.floating]) -> NDArray[np.int8]:
    """Return a vector as signed bytes, to be compared by cosine; one of zeros as it is."""
    largest = np.abs(vector).max()
    scaled = np.rint(vector * (127.0 / largest)) if largest > 0 else np.zeros(vector.shape)
    values: NDArray[np.int8] = scaled.astype(np.int8)
    return values
