"""A VisualSnoop service: collections, keys, two APIs and pages, on top of the embedded engine.

No other part of the package imports the server. The server imports the engine, the client's rule
for image ids and its response shapes, and the code that groups duplicates.
"""
