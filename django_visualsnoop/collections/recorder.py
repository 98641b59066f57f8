"""A collection in memory, for projects' test suites."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from django_visualsnoop.client.exceptions import ConflictError, ImageRefusedError, NotFoundError
from django_visualsnoop.client.ids import check_image_id
from django_visualsnoop.client.sources import read_image
from django_visualsnoop.collections.base import (
    BaseCollection,
    read_page_size,
)
from django_visualsnoop.collections.narrowing import narrow_matches
from django_visualsnoop.collections.results import (
    ImageInfo,
    ImageInfoPage,
    ImageMatch,
    SearchResult,
)
from django_visualsnoop.common.search_options import COPY, DEFAULT_OPTIONS, SearchOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_visualsnoop.client.sources import ImageSource


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a ``RecorderCollection``, whether it succeeded or not.

    Args:
        method: ``"add_image"``, ``"get_image"``, ``"delete_image"``, ``"get_images"``,
            ``"search_images"`` or ``"search_images_by_id"``.
        image_id: the given id.
        content: the bytes of the given image.
        arguments: the other arguments, by name.
    """

    method: str
    image_id: str | None = None
    content: bytes | None = field(default=None, repr=False)
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _RecordedImage:
    content: bytes
    time: datetime


class _RecorderState:
    """The state that all recorders of one alias share, in all threads of the process."""

    def __init__(self) -> None:
        self.images: dict[str, _RecordedImage] = {}
        #: The last time of every id, including deleted ones, because a listing resumes at them.
        self.times: dict[str, datetime] = {}
        self.last_time = datetime.min.replace(tzinfo=UTC)
        self.calls: list[Call] = []
        self.failures: deque[BaseException] = deque()
        self.standing_failure: BaseException | None = None


_lock = threading.RLock()
_states: defaultdict[str, _RecorderState] = defaultdict(_RecorderState)


class RecorderCollection(BaseCollection):
    """A collection that stores images in memory and records calls.

    Use it in the settings of a test suite::

        VISUALSNOOP = {
            "default": {"BACKEND": "django_visualsnoop.collections.recorder.RecorderCollection"}
        }

    and in a test::

        collections["default"].clear()
        ...
        assert collections["default"].calls[-1].method == "add_image"

    Identical bytes match with rank 0 and similarity 1.0, for every kind of search; nothing else
    matches. Nothing is decoded, so any non-empty bytes are an image. All objects of one alias
    share one state, in all threads; ``clear()`` empties it.
    """

    supports_similarity: ClassVar[bool] = True
    bulk_size: ClassVar[int] = 100
    longest_call = 1.0

    @property
    def _state(self) -> _RecorderState:
        return _states[self.alias]

    @property
    def calls(self) -> list[Call]:
        """Return the calls since the last ``clear()``, oldest first."""
        with _lock:
            return list(self._state.calls)

    @property
    def images(self) -> dict[str, bytes]:
        """Return the bytes of the stored images, by image id."""
        with _lock:
            return {image_id: image.content for image_id, image in self._state.images.items()}

    def clear(self) -> None:
        """Delete images, calls and scheduled failures, for every object of this alias."""
        with _lock:
            _states[self.alias] = _RecorderState()

    def fail_with(self, error: BaseException, *, times: int = 1) -> None:
        """Make the next ``times`` calls raise ``error``, after failures that are scheduled."""
        with _lock:
            self._state.failures.extend([error] * times)

    @contextmanager
    def failing(self, error: BaseException) -> Iterator[None]:
        """Make every call in this block raise ``error``, in any thread."""
        with _lock:
            self._state.standing_failure = error
        try:
            yield
        finally:
            with _lock:
                self._state.standing_failure = None

    def add_image(
        self,
        image: ImageSource,
        image_id: str | None = None,
        update_existing: bool = False,
    ) -> ImageInfo:
        content = read_image(image)
        with _lock:
            state = self._record_call(
                Call("add_image", image_id, content, {"update_existing": update_existing})
            )
            image_id = uuid4().hex if image_id is None else check_image_id(image_id)
            _refuse_empty(content)
            exists = image_id in state.images
            if exists and not update_existing:
                raise ConflictError(f"The image id {image_id!r} exists already.", status=409)
            time = max(datetime.now(UTC), state.last_time + timedelta(microseconds=1))
            state.times[image_id] = state.last_time = time
            state.images[image_id] = _RecordedImage(content, time)
            return self._build_info(image_id, created=not exists)

    def get_image(self, image_id: str) -> ImageInfo:
        with _lock:
            self._record_call(Call("get_image", image_id))
            return self._build_info(image_id)

    def delete_image(self, image_id: str) -> ImageInfo:
        with _lock:
            state = self._record_call(Call("delete_image", image_id))
            result = self._build_info(image_id)
            del state.images[image_id]
            return result

    def get_images(self, start: str | None = None, count: int | None = None) -> ImageInfoPage:
        with _lock:
            state = self._record_call(Call("get_images", start, arguments={"count": count}))
            size = read_page_size(count)
            newest_first = sorted(state.images.items(), key=lambda item: item[1].time, reverse=True)
            if start is not None:
                if start not in state.times:
                    raise _not_found(start)
                newest_first = [item for item in newest_first if item[1].time <= state.times[start]]
            page, rest = newest_first[:size], newest_first[size:]
            return ImageInfoPage(
                self._collection_id,
                [ImageInfo(self._collection_id, image_id, image.time) for image_id, image in page],
                rest[0][0] if rest else None,
            )

    def search_images(
        self, image: ImageSource, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        content = read_image(image)
        with _lock:
            self._record_call(Call("search_images", None, content, _list_options(options)))
            _refuse_empty(content)
            matches = narrow_matches(self._find_identical(content), options)
        return SearchResult(self._collection_id, matches)

    def search_images_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> SearchResult:
        with _lock:
            call = Call("search_images_by_id", image_id, arguments=_list_options(options))
            state = self._record_call(call)
            found = self._build_info(image_id)
            matches = [
                match
                for match in self._find_identical(state.images[image_id].content)
                if match.image_id != image_id
            ]
        matches = narrow_matches(matches, options)
        return SearchResult(self._collection_id, matches, found)

    def _record_call(self, call: Call) -> _RecorderState:
        state = self._state
        state.calls.append(call)
        if state.standing_failure is not None:
            raise state.standing_failure
        if state.failures:
            raise state.failures.popleft()
        return state

    @property
    def _collection_id(self) -> str:
        return sha256(self.alias.encode()).hexdigest()[:8]

    def _build_info(self, image_id: str, *, created: bool = False) -> ImageInfo:
        image = self._state.images.get(check_image_id(image_id))
        if image is None:
            raise _not_found(image_id)
        return ImageInfo(self._collection_id, image_id, image.time, created)

    def _find_identical(self, content: bytes) -> list[ImageMatch]:
        return [
            ImageMatch(image_id, 0, 1.0, COPY, 0.0)
            for image_id, image in self._state.images.items()
            if image.content == content
        ]


def _list_options(options: SearchOptions) -> dict[str, Any]:
    return {option.name: getattr(options, option.name) for option in fields(options)}


def _refuse_empty(content: bytes) -> None:
    if not content:
        raise ImageRefusedError("The image is empty (0 bytes).", reason="empty", status=400)


def _not_found(image_id: str) -> NotFoundError:
    return NotFoundError(f"The collection holds no image {image_id!r}.", status=404)
