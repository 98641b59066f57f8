"""Decoding JPEGs beside the floor: libraries that shrink while they read, and do nothing else.

    python benchmarks/decoding.py FOLDER [--photos 30] [--rounds 5] [--seed 1]

Each photograph of the folder is written as a JPEG of its own size and as one of 12 megapixels,
enlarged, with noise (a smooth one would have too few bytes). Ours reads the header, decodes,
turns, and reduces to at most 512 pixels; the others decode at the smallest scale that is not
smaller than that. CPU time, the least of the rounds, which take the ways in turn; the ratio is
that of the sums. simplejpeg is measured if it is installed (``pip install simplejpeg``).
"""

from __future__ import annotations

import argparse
import io
import platform
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import PIL
from PIL import Image

from django_visualsnoop.engine.images.decode import WORK_SIDE, decode

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 12_000_000
NOISE = 6.0


def ours(data: bytes) -> object:
    return decode(data).pixels


def pillow(data: bytes) -> object:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", _least(image.size))
    return np.asarray(image)


def opencv(data: bytes) -> object:
    size = Image.open(io.BytesIO(data)).size
    scale = next((by for by in (8, 4, 2) if max(size) / by >= WORK_SIDE), 1)
    flags = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags[scale])


def simple(data: bytes) -> object:
    import simplejpeg

    height, width = _least(Image.open(io.BytesIO(data)).size)[::-1]
    return simplejpeg.decode_jpeg(data, min_height=height, min_width=width)


def _least(size: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, WORK_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.suffix.lower() == ".jpg")
    chosen = random.Random(options.seed).sample(paths, min(options.photos, len(paths)))
    photos = [Image.open(path).convert("RGB") for path in chosen]
    ways = [ours, pillow, opencv, simple]
    try:
        import simplejpeg
    except ImportError:
        ways.remove(simple)
    else:
        print(f"simplejpeg {simplejpeg.__version__}, ", end="")
    print(
        f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}, Python {platform.python_version()}, "
        f"{platform.processor() or platform.machine()}; {len(photos)} photographs, "
        f"{options.rounds} rounds, seed {options.seed}"
    )
    dice = np.random.default_rng(options.seed)
    for title, files in (
        ("as they are", [_written(photo) for photo in photos]),
        ("12 megapixels", [_written(_enlarged(photo, dice)) for photo in photos]),
    ):
        _compare(title, files, ways, options.rounds)


def _compare(
    title: str, files: list[bytes], ways: list[Callable[[bytes], object]], rounds: int
) -> None:
    least = np.full((len(ways), len(files)), np.inf)
    for _ in range(rounds):
        for place, data in enumerate(files):
            for number, way in enumerate(ways):
                started = time.process_time()
                way(data)
                least[number, place] = min(least[number, place], time.process_time() - started)
    sums = least.sum(axis=1)
    print(f"\n{title}: {sum(map(len, files)) / len(files) / 1024:,.0f} KiB a file")
    for way, total in zip(ways, sums, strict=True):
        print(
            f"  {way.__name__:<10}{1000 * total / len(files):8.2f} ms"
            f"{total / sums[1:].min():8.2f} x the fastest of the others"
        )


def _written(photo: Image.Image) -> bytes:
    target = io.BytesIO()
    photo.save(target, "JPEG", quality=90)
    return target.getvalue()


def _enlarged(photo: Image.Image, dice: np.random.Generator) -> Image.Image:
    factor = (LARGE / (photo.width * photo.height)) ** 0.5
    large = photo.resize((round(photo.width * factor), round(photo.height * factor)))
    values = np.asarray(large, dtype=np.float32)
    noisy = values + dice.normal(0, NOISE, values.shape).astype(np.float32)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
