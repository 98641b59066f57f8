"""A client of VisualSnoop API v1 that needs no Django and replaces ``visualsnoop`` 0.2.

Change only the import: ``from django_visualsnoop.client.models import Collection``.
"""

DEFAULT_ENDPOINT = "http://visualsnoop.com/api/v1"
