"""Collections of many images, made of a few real photographs.

The first images are the photographs. Each other is put together of their details: 128 features
drawn from all of the photographs, a quarter of the bits of their codes flipped, and the vector of
one of them turned by about 66 degrees. So words are as frequent as in photographs, and nothing is a
copy of anything but by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from django_visualsnoop.engine.descriptors.describe import VERSION
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.storage.values import NewImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.server.content.images import HostedImages

#: Rows written at a time.
_SOME = 1000
#: How close a vector stays to that of its photograph, as a cosine.
_COSINE = 0.4


def fill(images: HostedImages, photos: list[bytes], count: int, seed: int) -> None:
    """Store ``count`` images, called ``image-0`` and so on."""
    known = [
        images.gallery.describe_image(body, f"image-{place}") for place, body in enumerate(photos)
    ]
    some: list[NewImage] = []
    for image in [*known, *made_up(known, count, seed)]:
        some.append(image)
        if len(some) == _SOME:
            images.store.put(some)
            some = []
    if some:
        images.store.put(some)


def made_up(known: list[NewImage], count: int, seed: int) -> Iterator[NewImage]:
    dice = np.random.default_rng(seed)
    parts = [Descriptor.from_bytes(image.vector) for image in known]
    vectors = np.stack([part.vector for part in parts]).astype(np.float32)
    codes = np.concatenate([part.codes for part in parts])
    words = np.concatenate([part.words for part in parts])
    places = np.concatenate([part.places for part in parts])
    for number in range(len(known), count):
        vector = vectors[dice.integers(len(vectors))]
        vector = vector / np.linalg.norm(vector)
        noise = dice.normal(0, 1, len(vector)).astype(np.float32)
        noise -= vector * (noise @ vector)
        noise *= np.sqrt(1 / _COSINE**2 - 1) / np.linalg.norm(noise)
        vector = vector + noise
        vector = np.clip(np.rint(vector / np.linalg.norm(vector) * 500), -127, 127).astype(np.int8)
        which = dice.choice(len(codes), 128, replace=False)
        flips = np.packbits(dice.random((128, 64)) < 1 / 4, axis=1).view(np.uint64).ravel()
        made = Descriptor(vector, codes[which] ^ flips, words[which], places[which])
        yield NewImage(f"image-{number}", made.to_bytes(), VERSION, "", 500, 375)


def hashes(photos: list[bytes], count: int, seed: int) -> np.ndarray:
    """Return as many codes for the peer: those of the photographs, then of a third of bits anew."""
    from benchmarks.load.peer import hashed

    dice = np.random.default_rng(seed)
    known = np.concatenate([hashed(body) for body in photos])
    others = known[dice.integers(0, len(known), count - len(known))]
    flips = np.packbits(dice.random((len(others), 64)) < 1 / 3, axis=1)
    return np.concatenate([known, others ^ flips])
