"""Move a collection to another index while its images change and searches go on.

The new index follows the rows from the first one on, beside the old one. The old one answers until
the new one holds all rows and was compared with them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.models import IndexedImage
from django_visualsnoop.engine.outside import states
from django_visualsnoop.engine.outside.drift import find_drift
from django_visualsnoop.engine.outside.feed import feed
from django_visualsnoop.engine.storage.publish import publish

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_visualsnoop.engine.index.base import OutsideIndex
    from django_visualsnoop.engine.outside.drift import Drift

#: How long to wait before asking again whether another process has written its rows, in seconds.
_PAUSE = 1.0
#: How often to mend an index before giving up.
_ROUNDS = 5
#: How long searches that have begun may still read an index that no longer follows, in seconds.
GRACE_SECONDS = 10.0


def fill_index(
    database: str,
    collection_id: str,
    index: OutsideIndex,
    progress: Callable[[int], object] | None = None,
) -> Drift:
    """Let an index follow a collection, and searches use it once it holds all images.

    This goes on where an earlier call ended, in whatever process.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        index: the index.
        progress: called with the number of images that the index holds.

    Returns:
        What differed between the rows and the index before it was mended: nothing, unless it had
        lost something.

    Raises:
        IndexUnavailable: the index cannot be written now.
    """
    index.prepare()
    if not index.count(collection_id):
        # It has lost all it held: searches use another index until it is filled again.
        states.end(database, collection_id, index.name)
    states.begin(database, collection_id, index)
    _follow(database, collection_id, index, progress)
    index.maintain()
    drift = found = find_drift(database, collection_id, index, mend=True)
    for _ in range(_ROUNDS):
        if not found.total:
            states.mark_complete(database, collection_id, index)
            return drift
        _follow(database, collection_id, index, progress)
        found = find_drift(database, collection_id, index, mend=True)
    raise IndexUnavailable(
        f"The index {index.name} does not keep what is written to it: {found.missing} images are "
        f"missing, {found.outdated} outdated, and {found.extra} are too many. Check the log of its "
        "server, then move the collection again."
    )


def drop_index(
    database: str, collection_id: str, index: OutsideIndex, grace: float = GRACE_SECONDS
) -> None:
    """Let an index no longer follow a collection, and remove its entries.

    Args:
        database: alias in ``DATABASES``.
        collection_id: id of the collection.
        index: the index.
        grace: how long searches that have begun may still read it, in seconds.

    Raises:
        IndexUnavailable: the index cannot be written now. It no longer follows all the same.
    """
    states.end(database, collection_id, index.name)
    time.sleep(grace)
    index.drop(collection_id)


def _follow(
    database: str,
    collection_id: str,
    index: OutsideIndex,
    progress: Callable[[int], object] | None,
) -> None:
    def tell(_: object = None) -> None:
        if progress is not None:
            progress(count_followed(database, collection_id, index.name))

    publish(database, collection_id)
    while not feed(database, collection_id, index, tell):
        tell()
        time.sleep(_PAUSE)
    tell()


def count_followed(database: str, collection_id: str, name: str) -> int:
    """Return how many images an index has followed."""
    state = states.read_states(database, collection_id)[name]
    rows = IndexedImage.objects.using(database).filter(
        collection_id=collection_id, deleted__isnull=True
    )
    return rows.filter(seq__lte=state.seq).count()
