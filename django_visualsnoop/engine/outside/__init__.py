"""Indexes outside the process: keep them in step with the rows, and search them."""
