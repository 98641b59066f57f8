"""Perceptual hashes by others, as far as they are installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


@dataclass
class Peer:
    name: str
    describe: Callable[[Pixels], Any]
    #: Scores of one query against the stacked gallery; larger is closer.
    compare: Callable[[Any, Any], NDArray[np.float32]]
    bytes_per_photo: int
    #: What a query is turned into, if it is not what is stored.
    probes: Callable[[Pixels], Any] | None = None


def _by_bits(query: Any, gallery: Any) -> Any:
    """Compare by Hamming distance; a query may have several hashes."""
    probes = np.atleast_2d(query)
    return -np.min([(probe ^ gallery).sum(axis=1) for probe in probes], axis=0).astype(np.float32)


def _goldberg(query: Any, gallery: Any) -> Any:
    one, others = query.astype(np.float32), gallery.astype(np.float32)
    lengths = np.linalg.norm(one) + np.linalg.norm(others, axis=1)
    return -np.linalg.norm(others - one, axis=1) / np.maximum(lengths, 1e-6)


def installed() -> Iterator[Peer]:
    yield from _imagehash()
    yield from _pdq()
    yield from _imagededup()
    yield from _image_match()


def _imagehash() -> Iterator[Peer]:
    try:
        import imagehash
    except ImportError:
        print("imagehash is not installed")
        return
    for name in ("phash", "dhash", "whash"):
        function = getattr(imagehash, name)

        def hashed(pixels: Pixels, function: Any = function) -> Any:
            return function(Image.fromarray(pixels)).hash.ravel()

        yield Peer(f"imagehash {name}", hashed, _by_bits, 8)


def _pdq() -> Iterator[Peer]:
    try:
        import pdqhash
    except ImportError:
        print("pdqhash is not installed")
        return

    def one(pixels: Pixels) -> Any:
        return pdqhash.compute(pixels)[0].astype(bool)

    def eight(pixels: Pixels) -> Any:
        return np.array(pdqhash.compute_dihedral(pixels)[0]).astype(bool)

    yield Peer("PDQ", one, _by_bits, 32)
    yield Peer("PDQ, 8 probes", one, _by_bits, 32, eight)


def _imagededup() -> Iterator[Peer]:
    try:
        from imagededup.methods import DHash, PHash
    except ImportError:
        print("imagededup is not installed")
        return
    for name, method in (("PHash", PHash()), ("DHash", DHash())):

        def hashed(pixels: Pixels, method: Any = method) -> Any:
            number = int(method.encode_image(image_array=pixels), 16)
            return np.array([number >> bit & 1 for bit in range(64)], dtype=bool)

        yield Peer(f"imagededup {name}", hashed, _by_bits, 8)


def _image_match() -> Iterator[Peer]:
    try:
        from image_match.goldberg import ImageSignature
    except ImportError:
        print("image-match is not installed")
        return
    yield Peer("image-match", ImageSignature().generate_signature, _goldberg, 648)
