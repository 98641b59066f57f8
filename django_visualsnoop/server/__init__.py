"""VisualSnoop itself, to host: collections, keys and the API v1, over the embedded engine.

Nothing else of the package imports it; it imports the engine and the client's rule for image ids.
"""
