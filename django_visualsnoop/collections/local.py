"""Collections inside the project's own database, searched by the embedded engine."""

from __future__ import annotations

import importlib.util
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

from django_visualsnoop.client.exceptions import (
    REFUSAL_STATUS,
    ConflictError,
    ImageRefusedError,
    NotFoundError,
    ServerError,
    VisualSnoopError,
)
from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.client.sources import read_image
from django_visualsnoop.collections.base import (
    DEFAULT_MAX_BYTES,
    BaseCollection,
    ImagePair,
    build_refused_setting,
    read_page_size,
)
from django_visualsnoop.collections.embedding import (
    check_embedding,
    create_default_model,
    resolve_embedding_model,
)
from django_visualsnoop.collections.local_options import create_indexes, read_options
from django_visualsnoop.collections.results import (
    ImageInfo,
    ImageInfoPage,
    ImageMatch,
    SearchResult,
)
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.search_options import DEFAULT_OPTIONS, SearchOptions
from django_visualsnoop.engine.exceptions import (
    DecodeError,
    ImageExists,
    ImageMissing,
    IndexUnavailable,
)
from django_visualsnoop.engine.storage.times import to_datetime
from django_visualsnoop.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from django_visualsnoop.client.sources import ImageSource
    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.common.open_pictures import FindPictures
    from django_visualsnoop.engine.hits import Hit, Hits
    from django_visualsnoop.engine.matching.placement import Placement
    from django_visualsnoop.engine.outside.indexes import IndexStatus
    from django_visualsnoop.engine.storage.values import NewImage, StoredImage

#: How often to store described pictures, in seconds, so that a process that is killed while it
#: describes many large pictures has stored some of them.
BULK_SECONDS = 5.0
#: Time allowed for one picture, for a large model on one core, in seconds …
_LOOKING_SECONDS = 5.0
#: … and for the model of the package, by OpenCV on a slow one.
_DEFAULT_LOOKING_SECONDS = 0.25
#: The id of a collection that never contained an image.
NO_COLLECTION_ID = "0" * 8

_ENGINE = "django_visualsnoop.engine"


class LocalCollection(BaseCollection):
    """A collection in a table of the project's database; requires the extra ``engine``.

    Args:
        alias: the key in the ``VISUALSNOOP`` setting.
        params: ``NAME`` of the collection within its database (the alias if not
            given), and ``OPTIONS``, a dict with any of

            * ``capture_times``: whether two files of cameras with different capture
              times in their EXIF are different pictures; true if not given;
            * ``database``: alias in ``DATABASES``, ``"default"`` if not given;
            * ``min_similarity``: 0 to 1, the default threshold of searches;
            * ``max_bytes``: the size limit of a file;
            * ``max_pixels``: the size limit of a picture; a baseline JPEG may have
              four times as many pixels;
            * ``cache``: the path of a folder for snapshots of the index, which
              processes share; no snapshots if not given;
            * ``early``: whether a process that has just started may search a large
              collection by global vectors alone until it has loaded the rest; true if
              not given;
            * ``embedding``: describes what images show, for ``kind="similar"``: an
              embedding model, such as an ``OnnxEmbedding``, or the dotted path of one;
              the model of the package if not given. If ``None``, such searches find
              copies, variants and other shots only;
            * ``index``: where searches look for candidates: ``"memory"`` of each process
              (the default), or, for collections that outgrow it, ``"pgvector"`` or
              ``"milvus"``; then also move the collection:
              ``manage.py visualsnoop_move_index``;
            * ``memory``: how many bytes of all collections together a process may
              keep in memory; 2 GiB if not given;
            * ``milvus``, ``pgvector``: dicts of the options of these indexes. An index
              with options is kept up to date even if it is not the one to search.

    Raises:
        MissingExtra: Pillow, NumPy or OpenCV is not installed, or a model is given
            and onnxruntime is not installed.
        ImproperlyConfigured: the engine is not in ``INSTALLED_APPS``, or an option
            is unknown or invalid.
    """

    supports_similarity: ClassVar[bool] = True
    supports_not_duplicates: ClassVar[bool] = True
    bulk_size: ClassVar[int] = 32
    #: 32 of the largest pictures, at about seven seconds each, plus time for the database; and for
    #: an embedding model.
    longest_call = 240.0

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        if not _has_extra():
            raise MissingExtra("The embedded engine", "engine")
        if not apps.is_installed(_ENGINE):
            raise ImproperlyConfigured(
                f"The collection {alias!r} uses the embedded engine, which is not in "
                f'INSTALLED_APPS. Add "{_ENGINE}" to INSTALLED_APPS and type: '
                "python manage.py migrate"
            )
        from django_visualsnoop.engine.gallery import Gallery  # requires the checks above

        options = read_options(alias, params)
        if "embedding" not in options:
            options["embedding"] = create_default_model()
            self.longest_call += self.bulk_size * _DEFAULT_LOOKING_SECONDS
        elif options["embedding"] is not None:
            options["embedding"] = resolve_embedding_model(alias, options["embedding"])
            self.longest_call += self.bulk_size * _LOOKING_SECONDS
        self.max_bytes = options.get("max_bytes", DEFAULT_MAX_BYTES)
        name = str(params.get("NAME") or alias)
        database = options.pop("database", DEFAULT_DB_ALIAS)
        self._outside = create_indexes(alias, database, name, options)
        self._gallery = Gallery(database, name, outside=self._outside, **options)
        self.min_similarity = self._gallery.min_similarity

    @classmethod
    def check(cls, alias: str, params: Mapping[str, Any]) -> list[CheckMessage]:
        found: list[CheckMessage] = []
        if not _has_extra():
            found.append(
                Error(
                    f"VISUALSNOOP[{alias!r}] uses the embedded engine, which requires Pillow, "
                    "NumPy and OpenCV.",
                    hint='Type: python -m pip install "django-visualsnoop[engine]"',
                    id="visualsnoop.E012",
                )
            )
        if not apps.is_installed(_ENGINE):
            found.append(
                Error(
                    f"VISUALSNOOP[{alias!r}] uses the embedded engine, which is not in "
                    "INSTALLED_APPS.",
                    hint=f'Add "{_ENGINE}" to INSTALLED_APPS and type: python manage.py migrate',
                    id="visualsnoop.E014",
                )
            )
        try:
            options = read_options(alias, params)
        except ImproperlyConfigured as error:
            return [*found, build_refused_setting(alias, error)]
        if options.get("embedding") is not None and _has_extra():
            found += check_embedding(alias, options["embedding"])
        database = options.get("database", DEFAULT_DB_ALIAS)
        if database not in connections:
            known = ", ".join(repr(name) for name in connections)
            found.append(
                Error(
                    f"VISUALSNOOP[{alias!r}] uses the database {database!r}, which is not in "
                    "DATABASES.",
                    hint=f"Use one of {known}, or add DATABASES[{database!r}] to the settings.",
                    id="visualsnoop.E015",
                )
            )
        elif options.get("index") == "pgvector" and connections[database].vendor != "postgresql":
            found.append(
                Error(
                    f"VISUALSNOOP[{alias!r}] uses the index 'pgvector', but the database "
                    f"{database!r} is not PostgreSQL.",
                    hint='Remove "index" from OPTIONS, or use a database with the engine '
                    '"django.db.backends.postgresql".',
                    id="visualsnoop.E025",
                )
            )
        return found

    def add_image(
        self,
        image: ImageSource,
        image_id: str | None = None,
        update_existing: bool = False,
    ) -> ImageInfo:
        image_id = uuid4().hex if image_id is None else check_image_id(image_id)
        new = self._describe(image, image_id)
        if update_existing:
            return _build_added_info(*self._gallery.store.put([new]))
        try:
            return _build_added_info(self._gallery.store.add(new))
        except ImageExists as error:
            raise ConflictError(str(error), status=409) from error

    def add_images(
        self, items: Iterable[tuple[str, ImageSource]]
    ) -> Iterator[tuple[str, ImageInfo | VisualSnoopError]]:
        bulk: dict[str, NewImage | VisualSnoopError] = {}
        began = time.monotonic()
        try:
            for image_id, image in items:
                slow = bool(bulk) and time.monotonic() - began >= BULK_SECONDS
                if slow or image_id in bulk or len(bulk) == self.bulk_size:
                    yield from self._put(bulk)
                    bulk, began = {}, time.monotonic()
                try:
                    bulk[image_id] = self._describe(image, check_image_id(image_id))
                except VisualSnoopError as error:
                    bulk[image_id] = error
        except Exception as error:
            if is_interruption(error):
                yield from self._put(bulk)  # so that these are not described again
            raise
        yield from self._put(bulk)

    def _put(
        self, bulk: dict[str, NewImage | VisualSnoopError]
    ) -> Iterator[tuple[str, ImageInfo | VisualSnoopError]]:
        new = [one for one in bulk.values() if not isinstance(one, VisualSnoopError)]
        stored = {one.image_id: one for one in (self._gallery.store.put(new) if new else ())}
        for image_id, one in bulk.items():
            yield (
                image_id,
                one if isinstance(one, VisualSnoopError) else _build_added_info(stored[image_id]),
            )

    def _describe(self, image: ImageSource, image_id: str) -> NewImage:
        try:
            return self._gallery.describe_image(read_image(image), image_id)
        except DecodeError as error:
            raise _convert_refusal(error) from error

    def known_digests(self, image_ids: Collection[str]) -> dict[str, str]:
        return self._gallery.read_known_digests(image_ids)

    def get_image(self, image_id: str) -> ImageInfo:
        try:
            return _build_image_info(self._gallery.store.get(check_image_id(image_id)))
        except ImageMissing as error:
            raise _convert_not_found(error) from error

    def delete_image(self, image_id: str) -> ImageInfo:
        try:
            return _build_image_info(self._gallery.store.delete(check_image_id(image_id)))
        except ImageMissing as error:
            raise _convert_not_found(error) from error

    def get_images(self, start: str | None = None, count: int | None = None) -> ImageInfoPage:
        start = None if start is None else check_image_id(start)
        try:
            page = self._gallery.store.read_page(start, read_page_size(count))
        except ImageMissing as error:
            raise _convert_not_found(error) from error
        return ImageInfoPage(
            page.collection_id or NO_COLLECTION_ID,
            list(map(_build_image_info, page.images)),
            page.next_image_id,
        )

    def search_images(
        self, image: ImageSource, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        with _converted_errors():
            found = self._gallery.search(read_image(image), options)
        return _build_search_result(found)

    def search_images_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        with _converted_errors():
            found = self._gallery.search_by_id(check_image_id(image_id), options)
        result = _build_search_result(found)
        assert found.image_time is not None
        image = ImageInfo(result.collection_id, image_id, to_datetime(found.image_time))
        return replace(result, image=image)

    def iter_matches(
        self, image: ImageSource, options: SearchOptions = DEFAULT_OPTIONS
    ) -> Iterator[list[ImageMatch]]:
        with _converted_errors():
            found = self._gallery.iterate_hits(read_image(image), options)
        return _iterate_matches(found.portions)

    def iter_matches_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> Iterator[list[ImageMatch]]:
        with _converted_errors():
            found = self._gallery.iterate_hits_by_id(check_image_id(image_id), options)
        return _iterate_matches(found.portions)

    def iter_pairs(
        self,
        *,
        min_similarity: float | None = None,
        touching: Collection[str] | None = None,
        progress: Callable[[float], object] | None = None,
        among: Callable[[str], bool] | None = None,
        budget: Budget | None = None,
        find_pictures: FindPictures | None = None,
    ) -> Iterator[ImagePair]:
        for pair in self._gallery.find_pairs(
            min_similarity, touching, progress, among, budget, find_pictures
        ):
            yield ImagePair(*pair)

    def compare_files(self, image: ImageSource, others: Iterable[ImageSource]) -> Iterator[bool]:
        try:
            yield from self._gallery.compare_files(read_image(image), map(read_image, others))
        except DecodeError as error:
            raise _convert_refusal(error) from error

    def placements(self, image_id: str, other_ids: Collection[str]) -> dict[str, Placement]:
        try:
            return self._gallery.find_placements(check_image_id(image_id), other_ids)
        except ImageMissing as error:
            raise _convert_not_found(error) from error

    def describe_edits(
        self,
        image_id: str,
        other_ids: Collection[str],
        find_pictures: FindPictures | None = None,
    ) -> dict[str, Edits]:
        self.get_image(image_id)
        pairs = [(image_id, other_id) for other_id in other_ids if other_id != image_id]
        found = self._gallery.describe_edits(pairs, find_pictures)
        return {pair[1]: edits for pair, edits in found.items()}

    def describe_edits_of_pairs(
        self, pairs: Collection[tuple[str, str]], find_pictures: FindPictures | None = None
    ) -> dict[tuple[str, str], Edits]:
        return self._gallery.describe_edits(pairs, find_pictures)

    def mark_not_duplicates(
        self, pairs: Collection[tuple[str, str]], *, ignore_missing: bool = False
    ) -> int:
        try:
            return self._gallery.mark_not_duplicates(pairs, ignore_missing=ignore_missing)
        except ImageMissing as error:
            raise _convert_not_found(error) from error

    def unmark_not_duplicates(self, pairs: Collection[tuple[str, str]]) -> int:
        return self._gallery.unmark_not_duplicates(pairs)

    def list_not_duplicates(
        self, image_ids: Collection[str] | None = None
    ) -> list[tuple[str, str]]:
        return self._gallery.list_not_duplicates(image_ids)

    def get_change_token(self) -> str | None:
        return self._gallery.get_change_token()

    def count_changes_since(self, token: str) -> int | None:
        return self._gallery.count_changes_since(token)

    def count_without_embedding(self) -> int:
        return self._gallery.count_without_embedding()

    def count_outdated(self) -> int:
        return self._gallery.count_outdated()

    def iter_outdated(self) -> Iterator[str]:
        return self._gallery.iterate_outdated_ids()

    def move_index(self, name: str, progress: Callable[[int], object] | None = None) -> int:
        """Let searches use another index, once it holds all images; they go on meanwhile.

        Args:
            name: ``"pgvector"`` or ``"milvus"``. The option ``index`` or the options of the index
                must name it.
            progress: called with the number of images that it holds.

        Returns:
            How many entries differed from their images at the end, and were mended.

        Raises:
            ServerError: the index cannot be used.
        """
        with _converted_errors():
            collection_id = self._gallery.store.get_or_create_collection_id()
            return self._outside.fill(collection_id, name, progress).total

    def drop_index(self, name: str) -> None:
        """Stop writing to an index, and remove what it holds; searches use another one.

        Args:
            name: see ``move_index``.

        Raises:
            ServerError: the index cannot be used.
        """
        with _converted_errors():
            self._outside.end(self._gallery.store.find_collection_id(), name)

    @property
    def chosen_index(self) -> str:
        """The index to search, once it is complete; one of ``INDEXES``."""
        return self._outside.chosen

    def list_indexes(self) -> list[IndexStatus]:
        """Return the indexes outside the process that are kept up to date."""
        collection_id = self._gallery.store.find_collection_id()
        return [] if collection_id is None else self._outside.list_statuses(collection_id)

    def count_images(self) -> int:
        """Return the number of images. The database reads every row."""
        return self._gallery.store.count()

    def compare_indexes(self) -> dict[str, int]:
        collection_id = self._gallery.store.find_collection_id()
        with _converted_errors():
            return {} if collection_id is None else self._outside.compare(collection_id)

    def maintain(self) -> None:
        collection_id = self._gallery.store.find_collection_id()
        if collection_id is not None:
            self._outside.maintain(collection_id)


def _has_extra() -> bool:
    return all(map(_is_installed, ("PIL", "numpy", "cv2")))


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # OpenCV has no spec while another thread imports it
        return True


@contextmanager
def _converted_errors() -> Iterator[None]:
    """Raise the exceptions of collections in place of those of the engine."""
    try:
        yield
    except DecodeError as error:
        raise _convert_refusal(error) from error
    except ImageMissing as error:
        raise _convert_not_found(error) from error
    except IndexUnavailable as error:
        raise ServerError(str(error), status=503) from error


def _iterate_matches(portions: Iterator[list[Hit]]) -> Iterator[list[ImageMatch]]:
    with _converted_errors():
        for hits in portions:
            yield _build_matches(hits)


def _convert_refusal(error: DecodeError) -> ImageRefusedError:
    status = REFUSAL_STATUS.get(error.reason, 400)
    return ImageRefusedError(str(error), reason=error.reason, status=status)


def _convert_not_found(error: ImageMissing) -> NotFoundError:
    return NotFoundError(str(error), status=404)


def _build_added_info(stored: StoredImage) -> ImageInfo:
    return replace(_build_image_info(stored), created=not stored.existed)


def _build_image_info(stored: StoredImage) -> ImageInfo:
    return ImageInfo(stored.collection_id, stored.image_id, to_datetime(stored.image_time))


def _build_search_result(found: Hits) -> SearchResult:
    return SearchResult(found.collection_id or NO_COLLECTION_ID, _build_matches(found.hits))


def _build_matches(hits: Iterable[Hit]) -> list[ImageMatch]:
    return [ImageMatch(*hit) for hit in hits]
