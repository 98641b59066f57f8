"""Django signals that report syncing and merging.

The process that did the work sends them. Those of syncing come after it has written the record. An
exception in a receiver is logged and has no other effect. The ``sender`` of the first two signals
is the model that declares the image field, or ``None`` if the code no longer has that model. The
next two have no sender.

The signals of merging are sent at the end of their transaction, inside it: an exception in a
receiver undoes the merge and reaches the caller. Their ``sender`` is the rows' model.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from django_visualsnoop.common.interruptions import is_interruption

#: Sent when an image is in sync with its row. Arguments: ``record`` (the ``SyncRecord`` as it was
#: leased), ``using`` (alias of the database), ``stored`` (whether the collection holds an image).
image_synced = Signal()

#: Sent when an attempt to sync an image failed. Arguments: ``record``, ``using``, ``reason_code``,
#: ``reason``, ``retry_in`` (seconds; ``None``: not until the image changes or someone retries it).
image_sync_failed = Signal()

#: Sent when records could not be dispatched; the sweeper will process them. Arguments: ``using``,
#: ``count`` (of records), ``reason``: ``"silent"`` (the broker did not answer in time),
#: ``"refused"`` (the broker, or the connection to it, raised an error) or ``"resting"`` (not
#: attempted, too soon after one of these). The thread of the commit sends it and waits for the
#: receivers; for a message that no commit waited for, the publishing thread sends it.
dispatch_failed = Signal()

#: Sent at the end of a sweep. Arguments: ``using``, ``in_sync``, ``retrying``, ``failed`` (numbers
#: of processed records, by outcome), ``seconds`` (how long it took).
swept = Signal()

#: Sent when rows were merged. Arguments: ``kept`` (the row, or ``None``), ``removed`` (list of the
#: removed rows as they were), ``user`` (or ``None``), ``using`` (alias of the database) and
#: ``resolution`` (what an undo needs, or ``None``).
rows_merged = Signal()

#: Sent when a merge was undone. Arguments: ``restored`` (list of rows), ``user``, ``using`` and
#: ``resolution``.
rows_restored = Signal()


def tell(signal: Signal, *, sender: Any, **arguments: Any) -> None:
    """Send a signal. Log errors of receivers, but raise interruptions from outside."""
    for _, result in signal.send_robust(sender=sender, **arguments):
        if isinstance(result, Exception) and is_interruption(result):
            raise result
