"""A VisualSnoop service: collections, keys, two APIs and pages, over the embedded engine.

Nothing else of the package imports it; it imports the engine, and of the client its rule for
image ids and the shapes of answers; and how copies are grouped.
"""
