"""Which vectors a process holds of a collection: those of copies, or those of looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.index.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.layers import Layers
from django_visualsnoop.engine.index.looks import LooksIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

Index = TypeVar("Index", bound=Layers[Any])
_Made = TypeVar("_Made", bound=Layers[Any], covariant=True)


class Source(Protocol[_Made]):
    @property
    def name(self) -> str:
        """What tells it from other sources of one collection."""

    @property
    def columns(self) -> Sequence[str]:
        """Of ``IndexedImage``: what ``content`` takes."""

    @property
    def unusable(self) -> str:
        """Says what the log says of images that no search finds; takes their numbers."""

    def index(self) -> _Made:
        """Return an empty index."""

    def content(self, *values: Any) -> bytes | None:
        """Return what the index takes of a row, ``None`` if that cannot be compared."""


@dataclass(frozen=True)
class Descriptors:
    """The engine's own: they find copies, and their vectors are looks, too."""

    name = ""
    columns = ("version", "vector")
    unusable: ClassVar[str] = (
        "Collection %s holds %d images of another version of the descriptor and %d broken ones; "
        "no search finds them until they are added again. The sweeper does so with those of an "
        "older version; for all at once, type: python manage.py visualsnoop_reindex"
    )

    def index(self) -> DescriptorIndex:
        return DescriptorIndex(describe.steady_first())

    def content(self, *values: Any) -> bytes | None:
        version, vector = values
        return bytes(vector) if version == describe.VERSION else None


@dataclass(frozen=True)
class Looks:
    """Those of one model.

    Args:
        name: of the model; see ``embedding.name_of``.
    """

    name: str
    columns = ("looks_of", "looks_digest", "digest", "looks")
    unusable: ClassVar[str] = (
        "Collection %s holds %d images that the model of its looks has not described and %d broken "
        "ones; no search for similar ones finds them until they are added again. The sweeper does "
        "so; for all at once, type: python manage.py visualsnoop_reindex"
    )

    def index(self) -> LooksIndex:
        return LooksIndex()

    def content(self, *values: Any) -> bytes | None:
        looks_of, looks_digest, digest, looks = values
        # A process that knows no looks replaces the picture and leaves those of the old one.
        fits = looks_of == self.name and looks_digest == digest and looks is not None
        return bytes(looks) if fits else None
