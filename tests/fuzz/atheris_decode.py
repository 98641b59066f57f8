"""Look for files that crash, hang or surprise the decoder, guided by coverage.

    pip install atheris                     (on Linux, with a Python that it supports)
    python -m tests.fuzz.atheris_decode CORPUS [-max_total_time=600] [-max_len=20000]

CORPUS is a folder for the files found on the way; it is begun with good files
of all kinds. Options are libFuzzer's. Anything but a picture or a ``DecodeError``
ends the run: an exception, a warning, a signal, a file that takes 20 seconds or 3 GB.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["django_visualsnoop.engine", "PIL"]):
    from django_visualsnoop.engine.exceptions import DecodeError
    from django_visualsnoop.engine.images.decode import decode

from tests.fuzz.spoiled_pictures import good_files

#: Small, so that time goes into odd files, and not into many pixels.
MAX_PIXELS = 1_000_000


def one_file(data: bytes) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(DecodeError):
            decode(data, max_pixels=MAX_PIXELS)
    if caught:
        raise RuntimeError(f"warned: {caught[0].message}")


def main() -> None:
    corpus = [Path(name) for name in sys.argv[1:] if not name.startswith("-")]
    if not corpus:
        sys.exit(__doc__)
    corpus[0].mkdir(exist_ok=True)
    for name, data in good_files().items():
        (corpus[0] / name).write_bytes(data)
    atheris.Setup([sys.argv[0], "-timeout=20", "-rss_limit_mb=3000", *sys.argv[1:]], one_file)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
