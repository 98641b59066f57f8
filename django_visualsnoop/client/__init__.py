"""A client of the VisualSnoop API v1, without Django; a drop-in for ``visualsnoop`` 0.2.

``from django_visualsnoop.client.models import Collection`` is all that changes.
"""

DEFAULT_ENDPOINT = "http://visualsnoop.com/api/v1"
