"""What collections of a million to a billion images need, computed from measured constants.

    python benchmarks/planning.py

This prints the table of ``docs/planning.rst``. It measures nothing: each constant names the
benchmark that measured it. Everything grows in proportion to the number of images, which is stated
as such; nothing beyond the largest measured number has been tried.
"""

from __future__ import annotations

from typing import NamedTuple

SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
_DAY = 24 * 3600


class Constant(NamedTuple):
    """A measured number, for each image."""

    value: float
    #: The largest number of images with which it was measured.
    images: int
    #: The benchmark.
    source: str


#: Bytes of a row: descriptor, thumbnail, and the embedding of the package's model, at most.
ROW_BYTES = Constant(2_179 + 1_700 + 1_280, 300, "docs/engine.rst")
#: Bytes that a process holds of its own, and bytes that all processes of a machine share.
OWN_BYTES = Constant(104, 1_000_000, "whole.py")
SHARED_BYTES = Constant(1_890, 1_000_000, "whole.py")
#: Bytes of all tables and indexes as written, and after REINDEX.
PGVECTOR_BYTES = Constant(12_300, 100_000, "outside_index.py")
PGVECTOR_PACKED_BYTES = Constant(11_070, 100_000, "outside_index.py")
#: Bytes of the B-trees and the HNSW index, which should be in memory.
PGVECTOR_HOT_BYTES = Constant(6_000, 100_000, "outside_index.py")
#: Seconds of writing entries, and of building the HNSW index, with one connection.
PGVECTOR_SECONDS = Constant((105 + 46) / 100_000, 100_000, "outside_index.py")
#: Seconds of the processor to read a file of some 500 x 375 pixels, describe and store it, without
#: an embedding.
DESCRIBING_SECONDS = Constant(2.88 / 100, 100, "filling.py")


def build_rows(images: int) -> list[tuple[str, str]]:
    """Return what a collection of so many images needs, by what it is."""
    return [
        ("Rows in your database", format_bytes(ROW_BYTES.value * images)),
        ("``memory``: a process of its own", format_bytes(OWN_BYTES.value * images)),
        ("``memory``: a machine, shared", format_bytes(SHARED_BYTES.value * images)),
        ("``pgvector``: disk, as written", format_bytes(PGVECTOR_BYTES.value * images)),
        ("``pgvector``: disk, after REINDEX", format_bytes(PGVECTOR_PACKED_BYTES.value * images)),
        ("``pgvector``: memory of the server", format_bytes(PGVECTOR_HOT_BYTES.value * images)),
        ("``pgvector``: filling, one connection", format_time(PGVECTOR_SECONDS.value * images)),
        ("Describing all, 16 cores", format_time(DESCRIBING_SECONDS.value * images / 16)),
    ]


def format_bytes(number: float) -> str:
    """Return a number of bytes with two digits, such as ``"1.9 GB"``."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return (
                f"{number / size:.2g} {unit}"
                if number < 100 * size
                else f"{number / size:,.0f} {unit}"
            )
    return f"{number:,.0f} B"


def format_time(seconds: float) -> str:
    """Return a time with two digits, such as ``"25 min"``."""
    for unit, size in (("days", _DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return (
                f"{seconds / size:.2g} {unit}"
                if seconds < 100 * size
                else f"{seconds / size:,.0f} {unit}"
            )
    return f"{seconds:.0f} s"


def build_table() -> str:
    """Return the table in reStructuredText."""
    heads = ["Images", *(f"{images // 1_000_000:,} million" for images in SIZES)]
    columns = [build_rows(images) for images in SIZES]
    rows = [
        [name, *(column[place][1] for column in columns)]
        for place, (name, _) in enumerate(columns[0])
    ]
    widths = [max(map(len, one)) for one in zip(heads, *rows, strict=True)]
    line = "  ".join("=" * width for width in widths)
    texts = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    ]
    return "\n".join([line, texts[0], line, *texts[1:], line])


if __name__ == "__main__":
    print(build_table())
