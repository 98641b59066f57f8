"""The embedded collection, for pictures so small that no call lasts long."""

from __future__ import annotations

from django_visualsnoop.collections.local import LocalCollection


class SmallPictures(LocalCollection):
    bulk_size = 8
    #: The lease of a worker that dies outlasts this, so a killed worker costs this much time.
    longest_call = 2.5
