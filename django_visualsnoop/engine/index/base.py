"""What an index of vectors does, wherever it keeps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    from numpy.typing import NDArray


class Neighbour(NamedTuple):
    image_id: str
    #: Cosine, -1 to 1, of the closest of the probes.
    score: float


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for.

    Args:
        probes: vectors of one picture, turned and mirrored; probes x dimensions, int8.
        min_score: only neighbours with at least this cosine.
        limit: at most this many, the closest.
        allowed: search among these ids only, if given.
        without: leave out these ids.
    """

    probes: NDArray[np.int8]
    min_score: float
    limit: int
    allowed: Collection[str] | None = None
    without: Collection[str] = ()


class VectorIndex(ABC):
    """Vectors by image id."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def put(self, image_id: str, vector: bytes) -> None:
        """Add a vector, or replace it: one int8 per dimension."""

    @abstractmethod
    def discard(self, image_id: str) -> None:
        """Remove a vector if it is there."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all vectors."""

    @abstractmethod
    def vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return one vector, or ``None``."""

    @abstractmethod
    def search(self, query: Query) -> list[Neighbour]:
        """Return the neighbours, closest first; equally close ones by id."""

    @abstractmethod
    def after_fork(self) -> None:
        """Become usable in a child process that was forked while nothing was being put."""

    @abstractmethod
    def blocks(self, without: Collection[str] = ()) -> Iterator[Block]:
        """Yield all vectors, some thousand at a time.

        Each block is the caller's to keep. While nothing changes, the blocks are
        the same in every walk; empty ones are yielded, too.
        """


class Block(NamedTuple):
    ids: list[str]
    vectors: NDArray[np.int8]
