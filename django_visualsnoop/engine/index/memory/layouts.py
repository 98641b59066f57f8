"""The arrays of a segment in a snapshot: which there are, and how to write and read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from django_visualsnoop.engine.descriptors import descriptor
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingSegment
from django_visualsnoop.engine.index.memory.ids import Ids, join_ids
from django_visualsnoop.engine.index.memory.merge import SegmentPart, merge
from django_visualsnoop.engine.index.memory.segment import ID_SECTIONS, SECTIONS, Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.merge import Target
    from django_visualsnoop.engine.index.memory.segment import Sections

    Arrays = Mapping[str, NDArray[Any]]

#: Number of rows of vectors written at a time.
_ROWS = 65_536


class Layout(Protocol):
    """How the segments of one kind of vectors are stored."""

    @property
    def sections(self) -> Sections:
        """Each array, the type of its values, and the number of values per row."""

    @property
    def votes(self) -> tuple[str, ...]:
        """Arrays in which damage would at worst vote for the wrong images."""

    @property
    def described_by(self) -> int | str:
        """What described the images. A snapshot of something else is not used."""

    def count_values(self, arrays: Arrays) -> Iterator[tuple[str, int]]:
        """Yield the names of arrays, and the number of values that they must have."""

    def build(self, arrays: Arrays) -> Any:
        """Return the segment with these arrays."""

    def merge(self, parts: Sequence[Any], target: Target) -> None:
        """Write one segment of all kept images of the parts."""


class DescriptorLayout:
    sections: ClassVar[Sections] = SECTIONS
    votes = ("slots", "codes")

    @property
    def described_by(self) -> int:
        return descriptor.VERSION

    def count_values(self, arrays: Arrays) -> Iterator[tuple[str, int]]:
        images = len(arrays["ends"])
        yield from _count_ids(arrays)
        for number in range(descriptor.DIMENSIONS // 64):
            yield f"bits{number}", images
        yield "vectors", images * descriptor.DIMENSIONS
        yield "starts", len(arrays["words"]) + 1
        for name in self.votes:
            yield name, int(arrays["starts"][-1])

    def build(self, arrays: Arrays) -> Segment:
        return Segment.from_arrays(arrays)

    def merge(self, parts: Sequence[tuple[Segment, NDArray[np.bool_]]], target: Target) -> None:
        merge([SegmentPart(*part) for part in parts], target)


@dataclass(frozen=True)
class EmbeddingLayout:
    """n embeddings of d values, one after the other; the signs column by column, if there are any.

    Args:
        described_by: name of the model; see ``embedding.hash_identity``.
    """

    described_by: str
    sections: ClassVar[Sections] = {
        **ID_SECTIONS,
        "vectors": (np.int8, 1),
        "bits": (np.uint64, 1),
    }
    votes = ()

    def count_values(self, arrays: Arrays) -> Iterator[tuple[str, int]]:
        yield from _count_ids(arrays)
        images = len(arrays["ends"])
        for name in ("vectors", "bits"):
            # Whole rows: the model says how long they are.
            yield name, len(arrays[name]) // images * images if images else 0

    def build(self, arrays: Arrays) -> EmbeddingSegment:
        ids = Ids(arrays["text"], arrays["ends"], arrays["keys"], arrays["order"])
        images = len(ids.ends)
        width, columns = (len(arrays[name]) // max(1, images) for name in ("vectors", "bits"))
        return EmbeddingSegment(
            ids,
            arrays["vectors"].reshape(images, width),
            tuple(arrays["bits"].reshape(columns, images)),
        )

    def merge(
        self, parts: Sequence[tuple[EmbeddingSegment, NDArray[np.bool_]]], target: Target
    ) -> None:
        kept = [(segment, np.flatnonzero(rows)) for segment, rows in parts]
        ids = join_ids([(segment.ids, rows) for segment, rows in kept])
        images = len(ids.ends)
        width, columns = next(
            ((segment.vectors.shape[1], len(segment.bits)) for segment, rows in kept if len(rows)),
            (0, 0),
        )
        sizes = {"vectors": images * width, "bits": images * columns, "text": len(ids.text)}
        target.begin(dict.fromkeys(self.sections, images) | sizes)
        for name, values in ids._asdict().items():
            target.write(name, values)
        for segment, rows in kept:
            for start in range(0, len(rows), _ROWS):
                target.write("vectors", segment.vectors[rows[start : start + _ROWS]].ravel())
        for column in range(columns):
            for segment, rows in kept:
                if len(rows):
                    target.write("bits", segment.bits[column][rows])


def _count_ids(arrays: Arrays) -> Iterator[tuple[str, int]]:
    images = len(arrays["ends"])
    yield "keys", images
    yield "order", images
    yield "text", int(arrays["ends"][-1]) if images else 0


DESCRIPTORS = DescriptorLayout()
