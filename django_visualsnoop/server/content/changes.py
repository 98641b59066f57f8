"""All changes of a collection since a cursor.

The engine numbers committed rows, and numbers them again when they change (see its ``publish``),
so all later changes have higher numbers. Deletions are tombstones, which the engine purges after
a day or more. A cursor older than that is refused, because the changes would be incomplete.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.server.exceptions import Refused

if TYPE_CHECKING:
    from django_visualsnoop.engine.storage.store import Store
    from django_visualsnoop.engine.storage.values import StoredChange

_CURSOR = re.compile(r"([0-9a-f]{8})\.([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)


class CursorGone(LookupError):  # noqa: N818
    """Deletions after this cursor may have been purged, or it is from another collection."""

    def __init__(self, cursor: str) -> None:
        super().__init__(
            f"The cursor {cursor!r:.60} is too old. Start again: ask for changes without a cursor, "
            "and treat images that are not among them as deleted."
        )


class ChangesPage(NamedTuple):
    changes: list[StoredChange]
    #: The cursor of the next page.
    cursor: str
    #: Whether there already is a next page.
    more: bool


class _Position(NamedTuple):
    #: All changes up to this number are known …
    after: int
    #: … except deletions up to this number, of images unknown to a client that began there.
    began: int

    def cursor(self, collection_id: str) -> str:
        return f"{collection_id}.{self.began}.{self.after}"


def get_cursor(store: Store) -> str:
    """Return the cursor for changes from now on."""
    collection_id, seq, _ = store.published_version()
    return _Position(seq, seq).cursor(collection_id)


def list_changes(store: Store, cursor: str | None, limit: int) -> ChangesPage:
    """Return what changed after a cursor. Each image occurs once, in its last state.

    Args:
        store: the store of the collection.
        cursor: from a page or ``get_cursor``; if ``None``, all images count as changed.
        limit: about how many. Images that were numbered together are on one page, so some hundred
            more may follow.

    Raises:
        Refused: 400, the cursor is not valid.
        CursorGone: deletions since then may have been purged.
    """
    collection_id, seq, horizon = store.published_version()
    if cursor is None:
        position = _Position(0, seq)
    else:
        given = _CURSOR.fullmatch(cursor)
        if given is None:
            raise Refused(400, f"cursor must come from an earlier response, not be {cursor!r:.60}.")
        position = _Position(after=int(given[3]), began=int(given[2]))
        reached = max(position)
        if given[1] != collection_id or reached > seq or reached < horizon:
            raise CursorGone(cursor)
    found = store.changes_since(collection_id, position.after, limit)
    if found.seq is None:
        return ChangesPage([], _Position(seq, seq).cursor(collection_id), more=False)
    cursor = position._replace(after=found.seq).cursor(collection_id)
    return ChangesPage(found.changes, cursor, more=found.more)
