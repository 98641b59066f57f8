"""Images by their ids, in segments. Small segments are merged into larger ones.

New images wait in a dictionary until the next search; then they become a small
segment. Small segments are merged into larger ones, each at least twice the size
of all that are newer, as in a log-structured merge tree (P. O'Neil, E. Cheng,
D. Gawlick, E. O'Neil, Acta Informatica 1996): so there are few of them, and
adding an image costs little however many there are.

An image that is replaced or removed stays in its segment, marked by when it
died. A search looks at the segments and the time at which it began, so it sees
one state of all images while others write.
"""

from __future__ import annotations

import operator
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from django_visualsnoop.engine.index.memory.ids import build_wanted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.index.memory.ids import Ids, Wanted

#: Images that wait at most.
WAITING = 8192
#: Segments of fewer images are not rewritten only since most of them died.
_SMALL = 1024
_NEVER = np.uint32(2**32 - 1)


class AnySegment(Protocol):
    """A segment: n images, in slots 0 to n - 1."""

    @property
    def ids(self) -> Ids: ...

    @property
    def vectors(self) -> NDArray[np.int8]:
        """One row for each image."""

    @property
    def size(self) -> int: ...


SegmentT = TypeVar("SegmentT", bound=AnySegment)


class Visible(NamedTuple, Generic[SegmentT]):
    """The images of a segment that one search may find."""

    segment: SegmentT
    #: n; ``None`` for all.
    kept: NDArray[np.bool_] | None


def select_visible(
    parts: Sequence[Visible[SegmentT]],
    allowed: Collection[str] | None,
    without: Collection[str],
) -> list[Visible[SegmentT]]:
    """Return the segments with what a search may find of them.

    Args:
        parts: the collection.
        allowed: only these ids, if given.
        without: none of these ids.
    """
    if allowed is None and not without:
        return list(parts)
    wanted = None if allowed is None else build_wanted(allowed)
    unwanted = build_wanted(without)
    asked = []
    for segment, kept in parts:
        if wanted is None:
            mask = np.ones(segment.size, dtype=np.bool_)
        else:
            mask = np.zeros(segment.size, dtype=np.bool_)
            mask[segment.ids.find_slots(wanted)] = True
        mask[segment.ids.find_slots(unwanted)] = False
        asked.append(Visible(segment, mask if kept is None else mask & kept))
    return asked


class Layer(NamedTuple, Generic[SegmentT]):
    segment: SegmentT
    #: n; at which step each image died. Costs 4 bytes per image and process.
    died: NDArray[np.uint32]


class _LayersState(NamedTuple, Generic[SegmentT]):
    """All there is to know; replaced as a whole, so that a fork finds it consistent."""

    #: The oldest first.
    layers: tuple[Layer[SegmentT], ...]
    #: Images of each layer that are there.
    living: tuple[int, ...]
    #: Steps so far: how often waiting images became a segment.
    now: int
    #: What came since; ``None`` for a removed image.
    waiting: dict[str, bytes | None]


class Layers(ABC, Generic[SegmentT]):
    """Safe to use from several threads, and in a child process."""

    def __init__(self) -> None:
        self.after_fork()
        self.clear()

    @abstractmethod
    def _check(self, content: bytes) -> None:
        """Raise a ``ValueError`` if the bytes are nothing that can be indexed."""

    @abstractmethod
    def _build(self, images: Mapping[str, bytes]) -> SegmentT:
        """Return the segment of images that were checked, by image id."""

    @abstractmethod
    def _merge(self, parts: Sequence[tuple[SegmentT, NDArray[np.bool_]]]) -> SegmentT:
        """Return one segment of the images kept of others, those of the first part first."""

    def after_fork(self) -> None:
        """Become usable in a child process, whatever threads of the parent were doing."""
        self._lock = threading.Lock()
        self._merging = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self._state: _LayersState[SegmentT] = _LayersState((), (), 0, {})

    def adopt(self, segment: SegmentT) -> None:
        """Start from a segment, say of a snapshot, in place of what there was."""
        with self._lock:
            self._state = _LayersState((_build_layer(segment),), (segment.size,), 0, {})

    def __len__(self) -> int:
        return sum(self._seal_waiting().living)

    @property
    def nbytes(self) -> int:
        """How much memory the images take, or a mapped file of them, in bytes."""
        layers, _, _, waiting = self._state
        return _count_bytes(layers) + sum(map(len, filter(None, list(waiting.values()))))

    def put(self, image_id: str, content: bytes) -> None:
        """Add what is known of an image, or replace it.

        Raises:
            ValueError: the bytes are nothing that can be indexed.
        """
        with self._lock:
            self._check(content)
            self._state.waiting[image_id] = content
            self._seal(WAITING)

    def discard(self, image_id: str) -> None:
        """Remove an image if it is there."""
        with self._lock:
            self._state.waiting[image_id] = None
            self._seal(WAITING)

    def get_vector(self, image_id: str) -> NDArray[np.int8] | None:
        """Return the vector of one image, or ``None``."""
        state = self._seal_waiting()
        wanted = build_wanted([image_id])
        for layer in reversed(state.layers):
            for slot in _find_living(layer, wanted, state.now):
                vector: NDArray[np.int8] = np.array(layer.segment.vectors[slot])
                return vector
        return None

    def list_visible(self) -> list[Visible[SegmentT]]:
        """Return all images as they are now."""
        self._seal_waiting()
        self.settle()
        state = self._seal_waiting()
        return [
            Visible(layer.segment, None if living == layer.segment.size else layer.died > state.now)
            for layer, living in zip(state.layers, state.living, strict=True)
        ]

    def list_kept(self) -> list[tuple[SegmentT, NDArray[np.bool_]]]:
        """Return each segment, and which of its images are there now."""
        state = self._seal_waiting()
        return [(layer.segment, layer.died > state.now) for layer in state.layers]

    def settle(self) -> None:
        """Merge segments until there are few, unless another thread does.

        A search does so by itself; after adding very many images, it may take seconds.
        """
        while self._merging.acquire(blocking=False):
            try:
                if not self._merge_some():
                    return
            finally:
                self._merging.release()

    def _seal_waiting(self) -> _LayersState[SegmentT]:
        with self._lock:
            self._seal(1)
            return self._state

    def _seal(self, count: int) -> None:
        """Make a segment of what waits, if that are so many images. The lock is held."""
        layers, living, now, waiting = self._state
        if len(waiting) < count:
            return
        added = {image_id: content for image_id, content in waiting.items() if content is not None}
        if added:
            layers += (_build_layer(self._build(added)),)
        replaced = build_wanted(waiting)
        counts = []
        for layer, before in zip(layers, living, strict=False):
            slots = _find_living(layer, replaced, now)
            # From the next step on: until then, and in a fork just now, nothing has changed.
            layer.died[slots] = now + 1
            counts.append(before - len(slots))
        if added:
            counts.append(len(added))
        self._state = _LayersState(layers, tuple(counts), now + 1, {})

    def _merge_some(self) -> bool:
        state = self._state  # what waits stays: a busy writer would keep this going for ever
        first, end = _choose_layers(state)
        if first == end:
            return False
        old = state.layers[first:end]
        parts = [(layer.segment, layer.died > state.now) for layer in old]
        new = (_build_layer(self._merge(parts)),) if any(state.living[first:end]) else ()
        with self._lock:
            current = self._state
            if len(current.layers) < end or not all(map(operator.is_, old, current.layers[first:])):
                return False  # cleared meanwhile
            for layer in new:
                died = [layer.died[kept] for layer, (_, kept) in zip(old, parts, strict=True)]
                layer.died[:] = np.concatenate(died)
            self._state = current._replace(
                layers=current.layers[:first] + new + current.layers[end:],
                living=(
                    *current.living[:first],
                    *(int(np.count_nonzero(layer.died > current.now)) for layer in new),
                    *current.living[end:],
                ),
            )
        return True


def _count_bytes(values: Any) -> int:
    """Return the size of the arrays in nested tuples."""
    if isinstance(values, tuple):
        return sum(map(_count_bytes, values))
    return values.nbytes if isinstance(values, np.ndarray) else 0


def _build_layer(segment: SegmentT) -> Layer[SegmentT]:
    return Layer(segment, np.full(segment.size, _NEVER, dtype=np.uint32))


def _find_living(layer: Layer[Any], wanted: Wanted, now: int) -> NDArray[np.intp]:
    slots = layer.segment.ids.find_slots(wanted)
    living: NDArray[np.intp] = slots[layer.died[slots] > now]
    return living


def _choose_layers(state: _LayersState[Any]) -> tuple[int, int]:
    """Return the first layer to merge and the one after the last; equal if there is none."""
    for number, (living, layer) in enumerate(zip(state.living, state.layers, strict=True)):
        if not living or (living < layer.segment.size // 2 and layer.segment.size >= _SMALL):
            return number, number + 1
    first, newer = len(state.layers), 0
    for number in reversed(range(len(state.layers))):
        if newer and state.living[number] < 2 * newer:
            first = number
        newer += state.living[number]
    return first, len(state.layers)
