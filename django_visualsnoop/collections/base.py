"""The interface between the integration and a place where images are searched.

It is the client's six calls, plus what the integration needs and some backends
can do better than by a loop: bulk adding, limits, thresholds, all pairs.

Unlike the drop-in client, whose calls return the service's dict for a missing
or an existing id, a collection *raises* a ``VisualSnoopError`` for every
outcome that is not a success.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.checks import Error

from django_visualsnoop.client.exceptions import NotFoundError, VisualSnoopError
from django_visualsnoop.exceptions import UnsupportedSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from django.core.checks import CheckMessage

    from django_visualsnoop.client.results import (
        ImageList,
        ImageResult,
        ListedImage,
        Match,
        SearchResults,
    )
    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.engine.matching.placement import Placement

#: What a search may ask for: copies of a picture, or what looks most like it.
COPIES, SIMILAR = KINDS = ("copies", "similar")

#: How many images a page of the listing has when the caller does not say, and at most.
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
#: The largest file that is sent to a collection whose options say nothing else, in bytes; the
#: embedded engine reads no larger ones either.
DEFAULT_MAX_BYTES = 50_000_000


def page_size(count: int | None) -> int:
    """Return the size of a page of the listing; ``ValueError`` if ``count`` is not positive."""
    if count is None:
        return DEFAULT_PAGE_SIZE
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count!r}.")
    return min(count, MAX_PAGE_SIZE)


def check_kind(kind: str) -> str:
    """Return a kind of search that there is; ``ValueError`` for any other."""
    if kind not in KINDS:
        raise ValueError(f"kind must be {' or '.join(map(repr, KINDS))}, not {kind!r}.")
    return kind


def refused_setting(alias: str, error: Exception) -> CheckMessage:
    """Return the check message for a setting that the backend itself refuses."""
    return Error(
        str(error), hint=f"Correct VISUALSNOOP[{alias!r}] in the settings.", id="visualsnoop.E016"
    )


def narrow(
    matches: list[Match],
    limit: int | None,
    min_similarity: float | None,
    allowed: Collection[str] | None,
) -> list[Match]:
    """Keep the matches asked for, where the collection itself could not be asked.

    Raises:
        UnsupportedSearch: ``min_similarity`` is given and a match has no similarity.
    """
    if allowed is not None:
        matches = [match for match in matches if match["id"] in allowed]
    if min_similarity is not None:
        if any("similarity" not in match for match in matches):
            raise UnsupportedSearch(
                "This collection gives no similarity, only a rank: leave min_similarity out."
            )
        matches = [match for match in matches if match["similarity"] >= min_similarity]
    return matches[:limit]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of one collection that look alike; ``first_id < second_id``."""

    first_id: str
    second_id: str
    rank: int
    similarity: float | None


class BaseCollection(ABC):
    """One collection of images, named by an alias in the ``VISUALSNOOP`` setting.

    Args:
        alias: the key in the setting.
        params: the setting's value for that alias.
    """

    #: Matches carry ``"similarity"``, so ``min_similarity`` can be given.
    supports_similarity: ClassVar[bool] = False
    #: A search can be restricted to given ids (``allowed``) by the collection itself.
    supports_allowed: ClassVar[bool] = False
    #: The kinds of search that it offers, of ``KINDS``. One that only finds copies is never
    #: called with ``kind``.
    kinds: ClassVar[tuple[str, ...]] = (COPIES,)
    #: How many images ``add_images`` takes well at a time.
    bulk_size: ClassVar[int] = 1
    #: The largest file that is sent to it, in bytes.
    max_bytes: int = DEFAULT_MAX_BYTES
    #: Upper bound, in seconds, of one ``delete_image`` or of ``add_images`` with ``bulk_size``
    #: images; a worker's claim on a record must outlast it.
    longest_call: float = 60.0

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:  # noqa: ARG002 -- for subclasses
        self.alias = alias

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @classmethod
    def check(cls, alias: str, params: Mapping[str, Any]) -> list[CheckMessage]:  # noqa: ARG003 -- for subclasses
        """Return what is wrong with the settings of an alias, for ``manage.py check``.

        It opens no connection to a network or a database. Secrets stay out of the messages.

        Args:
            alias: the key in the setting.
            params: the setting's value for that alias, defaults filled in, without ``BACKEND``.
        """
        return []

    def check_kind(self, kind: str) -> str:
        """Return a kind of search that this collection offers.

        Raises:
            UnsupportedSearch: it does not offer this one.
            ValueError: there is no such kind.
        """
        if check_kind(kind) not in self.kinds:
            raise UnsupportedSearch(
                f"The collection {self.alias!r} cannot search with kind={kind!r}; it offers "
                f"{' and '.join(map(repr, self.kinds))}."
            )
        return kind

    @abstractmethod
    def add_image(
        self,
        image: ImageSource,
        image_id: str | None = None,
        update_existing: bool = False,
    ) -> ImageResult:
        """Add one image; it is searchable, in every process, once this returns.

        Args:
            image: path, bytes, or a binary file (read from its start).
            image_id: 1 to 100 code points; ``None`` lets the collection choose one.
            update_existing: replace the image if the id exists.

        Raises:
            ConflictError: the id exists and ``update_existing`` is false.
            ImageRefusedError: the bytes cannot be indexed.
            InvalidImageIdError: see ``django_visualsnoop.client.ids.check_image_id``.
        """

    def add_images(
        self, items: Iterable[tuple[str, ImageSource]]
    ) -> Iterator[tuple[str, ImageResult | VisualSnoopError]]:
        """Add or update many images; one that fails yields its error and stops nothing.

        ``items`` is consumed lazily, so a caller may open one file at a time.
        """
        for image_id, image in items:
            try:
                yield image_id, self.add_image(image, image_id, update_existing=True)
            except VisualSnoopError as error:
                yield image_id, error

    @abstractmethod
    def get_image(self, image_id: str) -> ImageResult:
        """Return what is known of one image; raise ``NotFoundError`` if it is not there."""

    @abstractmethod
    def delete_image(self, image_id: str) -> ImageResult:
        """Delete one image; raise ``NotFoundError`` if it is not there."""

    @abstractmethod
    def get_images(self, start: str | None = None, count: int | None = None) -> ImageList:
        """List images, newest first.

        Args:
            start: image id to start with, inclusive (``next_image_id`` of the page before).
                An id deleted since then resumes at its old place.
            count: page size; 100 if ``None``, at most 1000 are given.

        Raises:
            ValueError: ``count`` is not positive.
        """

    def iter_images(self) -> Iterator[ListedImage]:
        """Walk the whole listing, page by page."""
        start: str | None = None
        while True:
            page = self.get_images(start=start, count=MAX_PAGE_SIZE)
            yield from page["images"]
            start = page["next_image_id"]
            if start is None:
                return

    @abstractmethod
    def search_images(
        self,
        image: ImageSource,
        *,
        limit: int | None = None,
        min_similarity: float | None = None,
        allowed: Collection[str] | None = None,
        kind: str = COPIES,
    ) -> SearchResults:
        """Find images that look like ``image``, closest first.

        Args:
            image: path, bytes, or a binary file (read from its start).
            limit: at most this many matches; the backend's own cap if ``None``.
            min_similarity: 0…1; only matches at least this similar. ``None`` is the
                backend's own threshold.
            allowed: search among these ids only (``supports_allowed``).
            kind: ``"copies"`` of the picture, edited, or ``"similar"``: all images, ordered by
                how much they look like it, without a threshold of the backend's own (``kinds``).

        Raises:
            ImageRefusedError: the bytes are no picture.
            UnsupportedSearch: an argument that this backend cannot honour.
            ValueError: there is no such kind.
        """

    @abstractmethod
    def search_images_by_id(
        self,
        image_id: str,
        *,
        limit: int | None = None,
        min_similarity: float | None = None,
        allowed: Collection[str] | None = None,
        kind: str = COPIES,
    ) -> SearchResults:
        """Find images that look like the one stored under ``image_id``, without that one.

        Raises:
            NotFoundError: the collection holds no such image.
        """

    def iter_pairs(
        self,
        *,
        min_similarity: float | None = None,
        touching: Collection[str] | None = None,
        progress: Callable[[float], object] | None = None,
        among: Callable[[str], bool] | None = None,
        budget: Budget | None = None,
    ) -> Iterator[Pair]:
        """Yield pairs of images that look alike, each once, in no promised order.

        Of very many copies of one picture, a backend may leave out pairs that are not needed to
        join all of them that count.

        This default asks one search per image; a backend that can do better overrides it.

        Args:
            min_similarity: as in ``search_images``.
            touching: only pairs of which at least one id is among these.
            progress: called now and then with the share of the work that is done, 0…1.
            among: says of an id whether its pairs count; those of all do if ``None``.
            budget: of the work, which says afterwards whether it was enough; as much work as
                it takes if ``None``.
        """
        wanted: Iterable[str]
        if touching is None:
            wanted = (listed["id"] for listed in self.iter_images())
        else:
            wanted = sorted(touching)
        ids = list(wanted) if budget is None else budget.take_searches(wanted)
        seen: set[tuple[str, str]] = set()
        for number, image_id in enumerate(ids):
            if progress is not None:
                progress(number / len(ids))
            try:
                found = self.search_images_by_id(image_id, min_similarity=min_similarity)
            except NotFoundError:
                continue  # deleted meanwhile, or not indexed yet
            for match in found["results"]:
                first, second = sorted((image_id, match["id"]))
                if among is not None and not (among(first) and among(second)):
                    continue
                if (first, second) not in seen:
                    seen.add((first, second))
                    yield Pair(first, second, match["rank"], match.get("similarity"))

    def placements(self, image_id: str, other_ids: Collection[str]) -> dict[str, Placement]:  # noqa: ARG002 -- for subclasses
        """Return where one stored picture lies in others, by their ids: why they match.

        Left out are ids that are not there, and those of which the collection cannot tell.

        Raises:
            NotFoundError: the collection holds no image ``image_id``.
            UnsupportedSearch: this backend does not know.
        """
        raise UnsupportedSearch("This collection does not tell where one picture lies in another.")

    def count_without_embedding(self) -> int:
        """Return how many images the embedding model has failed to describe.

        They are found as copies, and not as similar.
        """
        return 0

    def iter_outdated(self) -> Iterator[str]:
        """Yield the ids of images that some search does not find until they are added again.

        Such are those that an older version of the backend described, or another model than
        the settings name now. The sweeper adds them again; each of its runs asks, so this must
        cost little when there are none.
        """
        return iter(())
