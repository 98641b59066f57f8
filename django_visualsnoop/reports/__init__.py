"""Pages in one HTML file that needs nothing else: copies, near misses, sync health."""
