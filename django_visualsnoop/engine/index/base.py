"""What searches ask of the index of a collection, and what an index answers.

An index finds the few images that are worth comparing with a picture; how sure it is that these
are copies is not its question. ``memory`` is one: each process holds what it needs, and
``replica.view.ReplicaView`` answers from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

#: Of a cosine; what follows is rounding, which is another one on another processor.
DECIMALS = 6


class Features(NamedTuple):
    """The local features of one view of a picture, say of the mirrored one."""

    #: n; at most 256 features.
    codes: NDArray[np.uint64]
    #: n x k: the word of each feature, and other near ones.
    words: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class CandidateQuery:
    """What to look for.

    Args:
        probes: vectors of one picture and what may have become of it; probes x
            ``DIMENSIONS``, int8. None for no global stage.
        views: the picture's features, and those of it mirrored. None for no votes.
        limit: so many images of each stage, the best.
        allowed: search among these ids only, if given.
        without: leave out these ids.
    """

    probes: NDArray[np.int8]
    views: Sequence[Features]
    limit: int
    allowed: Collection[str] | None = None
    without: Collection[str] = ()


class Candidate(NamedTuple):
    """An image that may be a copy of the picture of a query."""

    image_id: str
    #: Cosine, -1 to 1, of the closest of the probes; -1 if there are none.
    cosine: float
    #: Its number among the probes.
    probe: int
    #: About how many features agree.
    votes: float
    #: The number of the view that has these votes.
    view: int


class CandidatePair(NamedTuple):
    """Two images that may be copies of each other."""

    first_id: str
    second_id: str
    #: Features of the one that have a close one in the other; 0 if the vectors are close.
    votes: int
    #: Of the images, from 0 on.
    first: int
    second: int


class CloseImage(NamedTuple):
    """An image whose vector is close to another one."""

    image_id: str
    #: -1 to 1
    cosine: float


class VectorIndex(Protocol):
    """The vectors of a collection's images, all of one length."""

    def get_vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return the vector of an image, if it has one that can be compared."""

    def find_closest(
        self,
        probe: NDArray[np.int8],
        limit: int,
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> list[CloseImage]:
        """Return the images whose vectors are closest to one by cosine, equally close ones by id.

        Args:
            probe: as long as the vectors.
            limit: at most so many.
            allowed: search among these ids only, if given.
            without: leave out these ids.
        """


class CrowdRegistry(Protocol):
    """Crowds: sets of images with so many copies that their pairs need no comparison."""

    def add_crowd(self) -> int:
        """Return the name of a crowd that has no image yet."""

    def assign(self, numbers: Sequence[int], crowd: int) -> None:
        """Put images into a crowd, by their numbers in ``CandidatePair``."""


class CopyIndex(VectorIndex, Protocol):
    """The descriptors of a collection's images: global vectors, and local features."""

    def find_candidates(self, query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first; equally close ones by id."""

    def find_candidate_pairs(
        self, progress: Callable[[float], object] | None = None
    ) -> tuple[Iterator[CandidatePair], CrowdRegistry]:
        """Return pairs of all images, each once, and the crowds that they take into account.

        Pairs of close vectors come first, then those of most features. Pairs within a crowd are
        left out; the caller may add to the crowds between two pairs.

        Args:
            progress: called with the share of the work that is done, 0 to 1; what the caller does
                between two pairs is part of the work.
        """

    def read_descriptors(self, image_ids: Collection[str]) -> dict[str, Descriptor]:
        """Return the descriptors of those images that are there and can be compared."""
