"""Django signals for those who count, log or show what syncing does.

They are sent by the process that did the work, after its record was written. An exception in
a receiver is logged and changes nothing. The ``sender`` of the first two is the model that
declares the image field, or ``None`` for a record whose model the code no longer has; the others
have none.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from django_visualsnoop.common.interruptions import is_interruption

#: A collection agrees with a row. Arguments: ``record`` (the ``SyncRecord`` as it was claimed),
#: ``using`` (alias of the database), ``stored`` (whether the collection holds an image now).
image_synced = Signal()

#: A collection could not be made to agree. Arguments: ``record``, ``using``, ``reason_code``,
#: ``reason``, ``retry_in`` (seconds; ``None``: not until the image changes or someone asks).
image_sync_failed = Signal()

#: Workers were not told of wishes; the sweeper will find them. Arguments: ``using``, ``count``
#: (records), ``reason``: ``"silent"`` (the broker did not answer in time), ``"refused"`` (it, or
#: the way to it, raised an error) or ``"resting"`` (not tried, so soon after one of these).
#: It is sent in the thread of the commit, which waits for the receivers, or for a hint that no
#: commit waited for, in the thread that tried to send it.
dispatch_failed = Signal()

#: A sweep came to its end. Arguments: ``using``, ``agreed``, ``retrying``, ``failed`` (records,
#: by what became of them), ``seconds`` (how long it took).
swept = Signal()


def tell(signal: Signal, *, sender: Any, **arguments: Any) -> None:
    """Send a signal; a receiver's error is logged, and only what came from outside is raised."""
    for _, result in signal.send_robust(sender=sender, **arguments):
        if isinstance(result, Exception) and is_interruption(result):
            raise result
