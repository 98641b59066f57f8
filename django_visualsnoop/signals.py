"""Django signals for those who count, log or show what syncing does.

Both are sent by the process that did the work, after its record was written. An exception in
a receiver is logged and changes nothing. ``sender`` is the model that declares the image field,
or ``None`` for a record whose model the code no longer has.
"""

from __future__ import annotations

from django.dispatch import Signal

#: A collection agrees with a row. Arguments: ``record`` (the ``SyncRecord`` as it was claimed),
#: ``using`` (alias of the database), ``stored`` (whether the collection holds an image now).
image_synced = Signal()

#: A collection could not be made to agree. Arguments: ``record``, ``using``, ``reason_code``,
#: ``reason``, ``retry_in`` (seconds; ``None``: not until the image changes or someone asks).
image_sync_failed = Signal()
