"""The indexes outside the process of one collection: which follow its rows, which one answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.models import IndexedImage, key_of
from django_visualsnoop.engine.outside import states
from django_visualsnoop.engine.outside.drift import find_drift
from django_visualsnoop.engine.outside.feed import feed_quietly
from django_visualsnoop.engine.outside.moving import count_followed, drop_index, fill_index
from django_visualsnoop.engine.outside.view import OutsideView, read_joined
from django_visualsnoop.engine.replica.replica import ReplicaImages
from django_visualsnoop.engine.storage.publish import in_transaction, publish
from django_visualsnoop.engine.storage.queries import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from django_visualsnoop.engine.index.base import OutsideIndex
    from django_visualsnoop.engine.outside.drift import Drift
    from django_visualsnoop.engine.outside.states import IndexState
    from django_visualsnoop.engine.replica.vector_kinds import Index, VectorKind
    from django_visualsnoop.engine.storage.queries import CollectionState

logger = logging.getLogger("django_visualsnoop.engine")

#: The value of ``OPTIONS["index"]`` for an index in the process.
MEMORY = "memory"
#: A collection with at most so many images needs no command: the first writer starts the index.
FEW = 1000
#: A search reads at most about so many rows that the index has not followed, unless it must.
TOO_MANY_JOINED = 1000
#: Number of images that one call of ``maintain`` compares.
COMPARED_AT_ONCE = 10_000


class IndexStatus(NamedTuple):
    """An index that follows a collection."""

    name: str
    #: Number of images that it has followed.
    images: int
    #: Whether searches may use it.
    complete: bool
    #: Whether the settings of this process name it.
    configured: bool


@dataclass(frozen=True)
class OutsideIndexes:
    """The indexes outside the process that a collection may use.

    Args:
        database: alias in ``DATABASES``.
        name: name of the collection.
        chosen: the name of the index to search, or ``MEMORY``.
        configured: the indexes that this process can reach, by name.
    """

    database: str
    name: str
    chosen: str = MEMORY
    configured: Mapping[str, OutsideIndex] = field(default_factory=dict)

    def read_view(
        self, vector_kind: VectorKind[Index], embedding_model: str = "", image_id: str | None = None
    ) -> OutsideView[Index] | None:
        """Return the images that a search sees; ``None`` if no index outside can answer.

        An index answers once it is complete. Until then, the one that answered before does.

        Args:
            vector_kind: the kind of vectors to search.
            embedding_model: name of the model of the embeddings; empty for descriptors.
            image_id: id of an image whose row to read as well.
        """
        if self.chosen == MEMORY:
            return None
        state = read_state(self.database, key_of(self.name), image_id)
        found = None if state is None else self._select(state.collection_id)
        if state is None or found is None:
            return None
        index, seq = found
        joined, hidden = ReplicaImages(vector_kind.create_index()), frozenset[str]()
        if seq < state.seq or state.unnumbered:
            seq = self._limit_lag(state, index, seq)
            joined, hidden = read_joined(self.database, state.collection_id, seq, vector_kind)
        return OutsideView(
            self.database,
            state.collection_id,
            index,
            joined,
            hidden,
            state.image_row,
            embedding_model,
        )

    def follow(self, collection_id: str) -> None:
        """Write new rows to all indexes that follow a collection.

        A failure is logged, and harmless: searches read from the table what an index has not
        followed.
        """
        if not self.configured or in_transaction(self.database):
            return
        following = states.read_states(self.database, collection_id)
        chosen = self.configured.get(self.chosen)
        if chosen is not None and chosen.name not in following:
            self._begin_if_few(collection_id, chosen)
            following = states.read_states(self.database, collection_id)
        for index in self._list_reachable(following):
            feed_quietly(self.database, collection_id, index)

    def compare(self, collection_id: str) -> dict[str, int]:
        """Return how many entries of each index differ from the rows that it has followed.

        Raises:
            IndexUnavailable: an index cannot be read now.
        """
        following = states.read_states(self.database, collection_id)
        return {
            index.name: find_drift(self.database, collection_id, index).total
            for index in self._list_reachable(following)
        }

    def maintain(self, collection_id: str) -> None:
        """Write what indexes have not followed, compare some of their entries, and mend them.

        Inside a transaction, which may be rolled back, this does nothing.
        """
        if in_transaction(self.database):
            return
        self.follow(collection_id)
        for index in self._list_reachable(states.read_states(self.database, collection_id)):
            try:
                index.maintain()
                drift = find_drift(
                    self.database, collection_id, index, mend=True, most=COMPARED_AT_ONCE
                )
            except IndexUnavailable as error:
                logger.warning("Could not maintain the index %s: %s", index.name, error)
                continue
            if drift.total:
                logger.warning(
                    "The index %s of collection %s lacked %d images, and held %d outdated entries "
                    "and %d of deleted images. They have been mended",
                    index.name,
                    collection_id,
                    *drift,
                )

    def fill(
        self, collection_id: str, name: str, progress: Callable[[int], object] | None = None
    ) -> Drift:
        """Let searches use an index, once it holds all images; see ``moving.fill_index``."""
        return fill_index(self.database, collection_id, self.get_index(name), progress)

    def end(self, collection_id: str | None, name: str) -> None:
        """Stop writing to an index, and remove its entries; see ``moving.drop_index``."""
        index = self.get_index(name)
        if collection_id is not None:
            drop_index(self.database, collection_id, index)

    def get_index(self, name: str) -> OutsideIndex:
        """Return an index by its name.

        Raises:
            IndexUnavailable: this process has no options for it.
        """
        try:
            return self.configured[name]
        except KeyError:
            raise IndexUnavailable(
                f'The settings do not name the index {name}. Set OPTIONS["index"] to "{name}".'
            ) from None

    def list_statuses(self, collection_id: str) -> list[IndexStatus]:
        """Return the indexes that follow a collection."""
        following = states.read_states(self.database, collection_id)
        return [
            IndexStatus(
                name,
                count_followed(self.database, collection_id, name),
                state.complete,
                name in self.configured,
            )
            for name, state in sorted(following.items())
        ]

    def drop(self, collection_id: str) -> None:
        """Remove all entries of a deleted collection; log a failure."""
        for index in self.configured.values():
            try:
                index.drop(collection_id)
            except IndexUnavailable as error:
                logger.warning(
                    "Could not remove collection %s from the index %s: %s",
                    collection_id,
                    index.name,
                    error,
                )

    def _select(self, collection_id: str) -> tuple[OutsideIndex, int] | None:
        """Return the index that answers, and the number up to which it has followed the rows."""
        following = states.read_states(self.database, collection_id)
        names = sorted(following, key=lambda name: name != self.chosen)
        for name in names:
            state, index = following[name], self.configured.get(name)
            if index is not None and state.complete and state.version == index.version:
                return index, state.seq
        return None

    def _limit_lag(self, state: CollectionState, index: OutsideIndex, seq: int) -> int:
        """Write rows to an index that lags far behind; return how far it has followed them."""
        if in_transaction(self.database):
            return seq
        rows = IndexedImage.objects.using(self.database).filter(collection_id=state.collection_id)
        unnumbered = rows.filter(seq__isnull=True)[: TOO_MANY_JOINED + 1].count()
        later = rows.filter(seq__gt=seq)[: TOO_MANY_JOINED + 1].count()
        if unnumbered + later <= TOO_MANY_JOINED:
            return seq
        publish(self.database, state.collection_id)
        feed_quietly(self.database, state.collection_id, index)
        return states.read_states(self.database, state.collection_id)[index.name].seq

    def _begin_if_few(self, collection_id: str, index: OutsideIndex) -> None:
        rows = IndexedImage.objects.using(self.database).filter(collection_id=collection_id)
        if rows[: FEW + 1].count() > FEW:
            return
        try:
            index.prepare()
        except IndexUnavailable as error:
            logger.warning("Could not start the index %s: %s", index.name, error)
            return
        # Searches read from the table what it has not followed, here all images.
        states.begin(self.database, collection_id, index, complete=True)

    def _list_reachable(self, following: Mapping[str, IndexState]) -> Iterator[OutsideIndex]:
        for name in following:
            if name in self.configured:
                yield self.configured[name]
