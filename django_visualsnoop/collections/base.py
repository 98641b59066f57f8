"""The interface of collection backends.

It consists of the client's six calls, plus calls that the integration needs and that some backends
implement more efficiently than with a loop: adding in bulk, limits, thresholds, all pairs.

Unlike the drop-in client, whose calls return the service's dict, a collection returns objects of
the classes in ``results``, and *raises* a ``VisualSnoopError`` for every outcome that is not a
success.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.core.checks import Error

from django_visualsnoop.client.exceptions import NotFoundError, VisualSnoopError
from django_visualsnoop.common.search_options import (
    COPY,
    DEFAULT_OPTIONS,
    EVERY_MATCH,
    SearchOptions,
)
from django_visualsnoop.exceptions import UnsupportedSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from django.core.checks import CheckMessage

    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.collections.results import (
        ImageInfo,
        ImageInfoPage,
        ImageMatch,
        SearchResult,
    )
    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.common.open_pictures import FindPictures
    from django_visualsnoop.engine.matching.placement import Placement

#: Default and largest size of a page of the listing.
DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
#: Default size limit of a file, in bytes. It is also the embedded engine's limit.
DEFAULT_MAX_BYTES = 50_000_000


def read_page_size(count: int | None) -> int:
    """Return the size of a page; raise ``ValueError`` if ``count`` is not positive."""
    if count is None:
        return DEFAULT_PAGE_SIZE
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count!r}.")
    return min(count, MAX_PAGE_SIZE)


def build_refused_setting(alias: str, error: Exception) -> CheckMessage:
    """Return the check message for a setting that the backend rejects."""
    return Error(
        str(error), hint=f"Correct VISUALSNOOP[{alias!r}] in the settings.", id="visualsnoop.E016"
    )


def build_unsupported_marks(alias: str) -> UnsupportedSearch:
    """Return the error for marks in a collection whose backend does not support them."""
    return UnsupportedSearch(
        f"The collection {alias!r} does not support marking pictures as not duplicates. The "
        f"embedded engine does. Type in the settings: VISUALSNOOP = {{{alias!r}: "
        '{"BACKEND": "django_visualsnoop.collections.local.LocalCollection"}}'
    )


@dataclass(frozen=True, slots=True)
class ImagePair:
    """Two images of one collection that are copies; ``first_id < second_id``."""

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

    #: Whether matches have a similarity, so that ``min_similarity`` is supported.
    supports_similarity: ClassVar[bool] = False
    #: Whether pairs of images can be marked as not duplicates.
    supports_not_duplicates: ClassVar[bool] = False
    #: The threshold of searches for copies that name none, 0 to 1; ``None`` if unknown.
    min_similarity: float | None = None
    #: How many images to pass to ``add_images`` at a time.
    bulk_size: ClassVar[int] = 1
    #: Size limit of a file, in bytes.
    max_bytes: int = DEFAULT_MAX_BYTES
    #: Upper bound, in seconds, of one ``delete_image`` call, or of ``add_images`` with
    #: ``bulk_size`` images. A worker's lease on a record must outlast it.
    longest_call: float = 60.0

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:  # noqa: ARG002 -- for subclasses
        self.alias = alias

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @classmethod
    def check(cls, alias: str, params: Mapping[str, Any]) -> list[CheckMessage]:  # noqa: ARG003 -- for subclasses
        """Check the settings of an alias, for ``manage.py check``.

        This must not open a connection to a network or a database, and messages must not contain
        secrets.

        Args:
            alias: the key in the setting.
            params: the setting's value for that alias with defaults, without ``BACKEND``.
        """
        return []

    @abstractmethod
    def add_image(
        self,
        image: ImageSource,
        image_id: str | None = None,
        update_existing: bool = False,
    ) -> ImageInfo:
        """Add one image. Once this returns, searches in every process find it.

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
    ) -> Iterator[tuple[str, ImageInfo | VisualSnoopError]]:
        """Add or update many images. For an image that fails, yield its error and continue.

        This consumes ``items`` lazily, so the caller may open one file at a time.
        """
        for image_id, image in items:
            try:
                yield image_id, self.add_image(image, image_id, update_existing=True)
            except VisualSnoopError as error:
                yield image_id, error

    def known_digests(self, image_ids: Collection[str]) -> dict[str, str]:  # noqa: ARG002 -- for subclasses
        """Return the SHA-256 of the files of images that adding them again would not change.

        Workers do not add such an image again if its file still has this digest. This default
        implementation knows none.

        Args:
            image_ids: ids of images.

        Returns:
            Image id → SHA-256 in hex. It omits images that do not exist, and those that an older
            version, another model or other options have described.
        """
        return {}

    @abstractmethod
    def get_image(self, image_id: str) -> ImageInfo:
        """Return the data of one image; raise ``NotFoundError`` if it does not exist."""

    @abstractmethod
    def delete_image(self, image_id: str) -> ImageInfo:
        """Delete one image; raise ``NotFoundError`` if it does not exist."""

    @abstractmethod
    def get_images(self, start: str | None = None, count: int | None = None) -> ImageInfoPage:
        """List images, newest first.

        Args:
            start: image id to start with, inclusive (``next_image_id`` of the previous page).
                If it was deleted since, the listing resumes at its old position.
            count: page size; 100 if ``None``, at most 1000.

        Raises:
            ValueError: ``count`` is not positive.
        """

    def iter_images(self) -> Iterator[ImageInfo]:
        """Yield the whole listing, page by page."""
        start: str | None = None
        while True:
            page = self.get_images(start=start, count=MAX_PAGE_SIZE)
            yield from page.images
            start = page.next_image_id
            if start is None:
                return

    @abstractmethod
    def search_images(
        self, image: ImageSource, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        """Find images that look like ``image``, closest first.

        A backend that finds only copies returns these for every kind of search.

        Args:
            image: path, bytes, or a binary file (read from its start).
            options: what to search for.

        Raises:
            ImageRefusedError: the bytes are not a picture.
            UnsupportedSearch: the backend does not support an option.
        """

    @abstractmethod
    def search_images_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        """Find images that look like the one stored under ``image_id``, excluding it.

        Raises:
            NotFoundError: the collection does not contain the image.
        """

    def iter_matches(
        self, image: ImageSource, options: SearchOptions = DEFAULT_OPTIONS
    ) -> Iterator[list[ImageMatch]]:
        """Yield what ``search_images`` finds, in portions, closest first, as far as there is any.

        The caller stops when it has enough, so ``limit`` has no effect. This raises the errors of
        ``search_images`` at once. This default implementation yields one portion; override it if
        a backend can find a few matches faster than all.

        Args:
            image, options: see ``search_images``.
        """
        result = self.search_images(image, replace(options, limit=EVERY_MATCH))
        return iter([result.matches])

    def iter_matches_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> Iterator[list[ImageMatch]]:
        """Yield what ``search_images_by_id`` finds, in portions; see ``iter_matches``."""
        result = self.search_images_by_id(image_id, replace(options, limit=EVERY_MATCH))
        return iter([result.matches])

    def iter_pairs(
        self,
        *,
        min_similarity: float | None = None,
        touching: Collection[str] | None = None,
        progress: Callable[[float], object] | None = None,
        among: Callable[[str], bool] | None = None,
        budget: Budget | None = None,
        find_pictures: FindPictures | None = None,  # noqa: ARG002 -- for subclasses
    ) -> Iterator[ImagePair]:
        """Yield pairs of copies, each pair once, in any order.

        The result omits pairs marked as not duplicates. For very many copies of one picture, a
        backend may also omit pairs that are not needed to connect all of them.

        This default implementation runs one search per image; override it with a faster one.

        Args:
            min_similarity: 0…1; the backend's own threshold if ``None``.
            touching: only pairs with at least one of these ids.
            progress: called from time to time with the completed part of the work, 0…1.
            among: returns whether the pairs of an id count; all count if ``None``.
            budget: limits the work, and tells afterwards whether it was sufficient; no limit if
                ``None``.
            find_pictures: takes image ids, and returns what opens the files of those that have
                one. A backend may look closer at the files of a pair before it yields it; this
                default implementation does not.
        """
        wanted: Iterable[str]
        if touching is None:
            wanted = (listed.image_id for listed in self.iter_images())
        else:
            wanted = sorted(touching)
        ids = list(wanted) if budget is None else budget.take_searches(wanted)
        options = SearchOptions(min_similarity=min_similarity)
        seen = set(self.list_not_duplicates(touching))
        for number, image_id in enumerate(ids):
            if progress is not None:
                progress(number / len(ids))
            try:
                found = self.search_images_by_id(image_id, options)
            except NotFoundError:
                continue  # deleted meanwhile, or not indexed yet
            for match in found.matches:
                if match.relation not in (None, COPY):
                    continue
                first, second = sorted((image_id, match.image_id))
                if among is not None and not (among(first) and among(second)):
                    continue
                if (first, second) not in seen:
                    seen.add((first, second))
                    yield ImagePair(first, second, match.rank, match.similarity)

    def compare_files(self, image: ImageSource, others: Iterable[ImageSource]) -> Iterator[bool]:  # noqa: ARG002 -- for subclasses
        """Yield for each of other pictures whether it is a copy of one.

        Neither needs to be in the collection. This default implementation yields nothing; override
        it if a backend can compare pictures without adding them.

        Args:
            image: path, bytes, or a binary file (read from its start).
            others: the pictures to compare it with, read one at a time.

        Raises:
            ImageRefusedError: ``image`` is not a picture.
        """
        return iter(())

    def placements(self, image_id: str, other_ids: Collection[str]) -> dict[str, Placement]:  # noqa: ARG002 -- for subclasses
        """Return where one stored picture is located in others, by their ids.

        The result omits ids that do not exist, and pictures in which it could not be located.

        Raises:
            NotFoundError: the collection does not contain ``image_id``.
            UnsupportedSearch: the backend does not support this.
        """
        raise UnsupportedSearch("This collection does not support locating one picture in another.")

    def describe_edits(
        self,
        image_id: str,  # noqa: ARG002 -- for subclasses
        other_ids: Collection[str],  # noqa: ARG002 -- for subclasses
        find_pictures: FindPictures | None = None,  # noqa: ARG002 -- for subclasses
    ) -> dict[str, Edits]:
        """Return how other copies of a stored picture differ from it, by their ids.

        The result omits ids that do not exist, and pictures that cannot be laid over the first.

        Args:
            image_id: id of the first picture.
            other_ids: ids of the others.
            find_pictures: see ``iter_pairs``. With files, small changes are found, too.

        Raises:
            NotFoundError: the collection does not contain ``image_id``.
            UnsupportedSearch: the backend does not support this.
        """
        raise UnsupportedSearch("This collection does not support describing edits.")

    def describe_edits_of_pairs(
        self, pairs: Collection[tuple[str, str]], find_pictures: FindPictures | None = None
    ) -> dict[tuple[str, str], Edits]:
        """Return how the second picture of each pair of copies differs from the first.

        A collection may compare a pair and its reverse once, and decode each of a few files once.

        Args:
            pairs: pairs of image ids; those with an id that does not exist are left out.
            find_pictures: see ``describe_edits``.

        Raises:
            UnsupportedSearch: the backend does not support this.
        """
        others: dict[str, list[str]] = {}
        for first, second in pairs:
            others.setdefault(first, []).append(second)
        found = {}
        for image_id, ids in others.items():
            with suppress(NotFoundError):
                for other, edits in self.describe_edits(image_id, ids, find_pictures).items():
                    found[image_id, other] = edits
        return found

    def mark_not_duplicates(
        self,
        pairs: Collection[tuple[str, str]],  # noqa: ARG002 -- for subclasses
        *,
        ignore_missing: bool = False,  # noqa: ARG002 -- for subclasses
    ) -> int:
        """Mark all pairs of images as not duplicates, or none if there is an error.

        A mark is valid while both files stay the same.

        Args:
            pairs: pairs of image ids, in any order.
            ignore_missing: leave out pairs with an image that the collection does not contain.

        Returns:
            The number of pairs that were not marked before.

        Raises:
            NotFoundError: the collection does not contain an image.
            UnsupportedSearch: the backend does not support marks.
            ValueError: the ids of a pair are equal.
        """
        raise build_unsupported_marks(self.alias)

    def unmark_not_duplicates(self, pairs: Collection[tuple[str, str]]) -> int:  # noqa: ARG002 -- for subclasses
        """Remove the marks of pairs of images; return how many there were.

        Args:
            pairs: pairs of image ids, in any order; those without a mark are left out.

        Raises:
            UnsupportedSearch: the backend does not support marks.
            ValueError: the ids of a pair are equal.
        """
        raise build_unsupported_marks(self.alias)

    def list_not_duplicates(
        self,
        image_ids: Collection[str] | None = None,  # noqa: ARG002 -- for subclasses
    ) -> list[tuple[str, str]]:
        """Return the pairs of ids marked as not duplicates; the smaller id is first.

        Args:
            image_ids: only pairs with at least one of these ids, if given.
        """
        return []

    def get_change_token(self) -> str | None:
        """Return a text that stands for the images that the collection contains now.

        Get it before a long search, and ask ``count_changes_since`` later whether the result may
        have changed. ``None`` if that is unknown.
        """
        return None

    def count_changes_since(self, token: str) -> int | None:  # noqa: ARG002 -- for subclasses
        """Return how many of the images were added, replaced or described again since a token.

        Deletions do not count. ``None`` if that is unknown, such as for a token of another
        collection.

        Args:
            token: from ``get_change_token``.
        """
        return None

    def count_without_embedding(self) -> int:
        """Return how many images the embedding model failed to describe.

        Searches find them as copies, but not as similar.
        """
        return 0

    def count_outdated(self) -> int:
        """Return how many images an older version of the backend, or another model, described.

        Searches may not find them, or not say how they are related.
        """
        return 0

    def iter_outdated(self) -> Iterator[str]:
        """Yield the ids of images that searches do not find in full until they are added again.

        An older version of the backend, or another model, described them. The sweeper adds them
        again. Every sweep calls this, so it must be fast when there are none.
        """
        return iter(())

    def compare_indexes(self) -> dict[str, int]:
        """Compare indexes outside the process with the images; return what differs, by index."""
        return {}

    def maintain(self) -> None:  # noqa: B027 -- optional
        """Do what each sweep should do, such as mending an index."""
