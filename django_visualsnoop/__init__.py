"""Private image search by visual similarity for Django.

Importing this package touches neither Django, settings nor the network:
``django_visualsnoop.client`` works in projects without Django.
"""

__version__ = "0.1.0.dev0"
