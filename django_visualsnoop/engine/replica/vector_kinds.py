"""The kinds of vectors that a process holds of a collection: for copies, or embeddings."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.descriptors.descriptor import COMPARABLE
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
from django_visualsnoop.engine.index.memory.layers import Layers
from django_visualsnoop.engine.index.memory.layouts import DESCRIPTORS, EmbeddingLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django_visualsnoop.engine.index.memory.layouts import Layout

Index = TypeVar("Index", bound=Layers[Any])
_AnyIndex = TypeVar("_AnyIndex", bound=Layers[Any], covariant=True)


class VectorKind(Protocol[_AnyIndex]):
    @property
    def name(self) -> str:
        """Identifies this kind of vectors among those of one collection."""

    @property
    def columns(self) -> Sequence[str]:
        """Columns of ``IndexedImage`` that ``extract_content`` takes."""

    @property
    def layout(self) -> Layout:
        """How a snapshot stores the vectors."""

    @property
    def snapshot_name(self) -> str:
        """Identifies the layout, and all else on which the content of a snapshot depends."""

    @property
    def unusable(self) -> str:
        """Log message about images that no search finds; takes their numbers."""

    def create_index(self) -> _AnyIndex:
        """Return an empty index."""

    def extract_content(self, *values: Any) -> bytes | None:
        """Return the input of the index for a row; ``None`` if it cannot be compared."""


@dataclass(frozen=True)
class DescriptorVectors:
    """The engine's own vectors: they find copies."""

    name = ""
    columns = ("version", "vector")
    layout: ClassVar[Layout] = DESCRIPTORS
    unusable: ClassVar[str] = (
        "Collection %s holds %d images with another version of the descriptor and %d broken ones. "
        "Searches do not find them until they are described again. The sweeper does this for "
        "older versions. To describe all of them now, type: python manage.py visualsnoop_reindex"
    )

    @property
    def snapshot_name(self) -> str:
        order = describe.invariant_first().astype("<i8").tobytes()
        return f"{zlib.crc32(order):08x}"

    def create_index(self) -> DescriptorIndex:
        return DescriptorIndex(describe.invariant_first())

    def extract_content(self, *values: Any) -> bytes | None:
        version, vector = values
        return bytes(vector) if version in COMPARABLE else None


@dataclass(frozen=True)
class EmbeddingVectors:
    """The embeddings of one model.

    Args:
        name: name of the model; see ``embedding.hash_identity``.
        centred: whether the mean of its vectors is about zero.
    """

    name: str
    centred: bool = False
    columns = ("embedding_model", "embedding_digest", "digest", "embedding")
    unusable: ClassVar[str] = (
        "Collection %s holds %d images without an embedding of its model and %d broken ones. "
        "Searches for similar images do not find them until the sweeper describes them again. To "
        "describe all of them now, type: python manage.py visualsnoop_reindex"
    )

    @property
    def layout(self) -> EmbeddingLayout:
        return EmbeddingLayout(self.name)

    @property
    def snapshot_name(self) -> str:
        return f"{self.name}-signs" if self.centred else self.name

    def create_index(self) -> EmbeddingIndex:
        return EmbeddingIndex(centred=self.centred)

    def extract_content(self, *values: Any) -> bytes | None:
        embedding_model, embedding_digest, digest, embedding = values
        # A release without embeddings replaces the picture but leaves the old picture's embedding.
        fits = embedding_model == self.name and embedding_digest == digest and embedding is not None
        return bytes(embedding) if fits else None
