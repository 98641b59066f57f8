"""The interface between searches and the index of a collection.

An index finds the few images that are worth comparing with a picture; it does not decide how
surely they are copies. ``memory`` is an implementation: each process holds the data it needs, and
``replica.view.ReplicaView`` answers from it. An ``OutsideIndex`` holds the data elsewhere, for all
processes together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

#: Decimals of a cosine; further ones are rounding errors, which differ between processors.
DECIMALS = 6


class Features(NamedTuple):
    """The local features of one view of a picture, such as the mirrored one."""

    #: n; at most 256 features.
    codes: NDArray[np.uint64]
    #: n x k: the word of each feature, and other near ones.
    words: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class CandidateQuery:
    """A query for candidates.

    Args:
        probes: vectors of one picture and its possible variants; probes x ``DIMENSIONS``,
            int8. Empty for no global stage.
        views: the picture's features, and those of its mirror image. Empty for no votes.
        limit: the largest number of images of each stage.
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
    #: Index of that probe.
    probe: int
    #: Approximate number of features that agree.
    votes: float
    #: Index of the view with these votes.
    view: int


class PairLimits(NamedTuple):
    """Which pairs of a collection to list."""

    #: The number of pairs of each image in each stage. A pair that is among the best of one of its
    #: images is listed.
    limit: int
    #: The least cosine of the vectors …
    min_cosine: float
    #: … or the least number of votes …
    min_votes: float
    #: … unless the pair is among this many with the most votes of one of its images;
    closest: int
    #: then it has at least this many votes.
    min_votes_of_closest: float


class CandidatePair(NamedTuple):
    """Two images that may be copies of each other."""

    first_id: str
    second_id: str
    #: Approximate number of features that agree; 0 if the vectors are close.
    votes: float
    #: Numbers of the images, from 0.
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
        """Return the vector of an image; ``None`` without one that can be compared."""

    def iter_closest(
        self,
        probe: NDArray[np.int8],
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        """Yield the images whose vectors are closest to one by cosine, equally close ones by id.

        They come in portions that grow, so that a caller who needs few images takes few. Together,
        the portions have each image with at least the cosine once; what is in them does not depend
        on how many the caller takes. Within a portion the order is exact. In a large collection, an
        image may be in a later portion than its cosine asks for.

        Args:
            probe: a vector of the same length as the images' vectors.
            allowed: search among these ids only, if given.
            without: leave out these ids.
            min_cosine: leave out images with a lower cosine.
        """


class CrowdRegistry(Protocol):
    """Crowds: sets of images with so many copies that their pairs need no comparison."""

    def add_crowd(self) -> int:
        """Return the number of a new crowd without images."""

    def assign(self, numbers: Sequence[int], crowd: int) -> None:
        """Put images into a crowd, by their numbers in ``CandidatePair``."""


class CandidateIndex(Protocol):
    """The descriptors of a collection's images: global vectors, and local features."""

    def find_candidates(self, query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first; equally close ones by id."""

    def read_descriptors(self, image_ids: Collection[str]) -> dict[str, Descriptor]:
        """Return the descriptors of the images that exist and can be compared."""


class CopyIndex(CandidateIndex, Protocol):
    """An index that finds all pairs of a collection, too."""

    def find_candidate_pairs(
        self, limits: PairLimits, progress: Callable[[float], object] | None = None
    ) -> tuple[Iterator[CandidatePair], CrowdRegistry]:
        """Return pairs of all images, each once, and the crowds that limit them.

        Pairs of close vectors come first, then those with the most votes. The result omits pairs
        within a crowd; the caller may add to the crowds between two pairs.

        Args:
            limits: which pairs to return.
            progress: called with the completed share of the work, 0 to 1; the caller's work between
                two pairs counts as part of it.
        """


class IndexEntry(NamedTuple):
    """What an index outside the process keeps of an image."""

    #: Primary key of the image's row; unique within the project's database.
    row_id: int
    image_id: str
    #: ``Descriptor.to_bytes()``; ``None`` if the descriptor cannot be compared.
    descriptor: bytes | None
    #: ``embedding.hash_identity`` of the model of the embedding; empty without one.
    embedding_model: str
    #: int8 values; ``None`` without an embedding that can be compared.
    embedding: bytes | None
    #: ``stamps.compute_stamp`` of the row: two rows of equal stamps have equal entries.
    stamp: int


class StampedEntry(NamedTuple):
    """The part of an ``IndexEntry`` that tells whether an index holds it."""

    row_id: int
    image_id: str
    stamp: int


class OutsideIndex(Protocol):
    """An index outside the process, such as in a database server, of any number of collections.

    It is a cache of the rows: whatever is lost is written again from them. All methods may be
    called from several threads and processes at once, and again with the same arguments.

    All methods raise ``IndexUnavailable`` if the server cannot be reached, or lacks something; the
    error says what to type.
    """

    #: The value of ``OPTIONS["index"]`` that chooses it.
    name: str
    #: Changes whenever what is stored of an image does, so that entries must be written again.
    version: int
    #: Whether entries are written in the transaction of the row.
    transactional: bool

    def prepare(self) -> None:
        """Create the tables or collections, unless they exist."""

    def maintain(self) -> None:
        """Do what the sweeper should do now and then, and a command that has filled the index."""

    def upsert(self, collection_id: str, entries: Sequence[IndexEntry]) -> None:
        """Add or replace entries, by ``row_id``. A search that begins later finds them."""

    def delete(self, collection_id: str, row_ids: Sequence[int]) -> None:
        """Remove entries; those that do not exist are skipped."""

    def drop(self, collection_id: str) -> None:
        """Remove all entries of a collection."""

    def count(self, collection_id: str) -> int:
        """Return the number of entries."""

    def list_entries(self, collection_id: str, after: int, limit: int) -> list[StampedEntry]:
        """Return entries with a ``row_id`` above ``after``, in its order, at most ``limit``."""

    def find_candidates(self, collection_id: str, query: CandidateQuery) -> list[Candidate]:
        """Return the best of each stage, closest by cosine first; equally close ones by id.

        Candidates of the local stage may be approximate: by ``keys``, not by whole codes.
        """

    def get_vector(
        self, collection_id: str, embedding_model: str, image_id: str
    ) -> NDArray[np.int8] | None:
        """Return the embedding of an image, or ``None``."""

    def iter_closest(
        self,
        collection_id: str,
        embedding_model: str,
        probe: NDArray[np.int8],
        allowed: Collection[str] | None = None,
        without: Collection[str] = (),
        min_cosine: float = -1.0,
    ) -> Iterator[list[CloseImage]]:
        """Yield the images whose embeddings are closest to one; see ``VectorIndex``."""
