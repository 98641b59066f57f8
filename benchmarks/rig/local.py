"""The embedded collection, for pictures so small that no call lasts long."""

from __future__ import annotations

from django_visualsnoop.collections.local import LocalCollection


class SmallPictures(LocalCollection):
    bulk_size = 8
    #: The claim of a worker that dies outlasts this, so it is what a killed worker costs.
    longest_call = 2.5
