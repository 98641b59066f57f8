"""Reviewing duplicates: groups that a search has found, what was decided, and how to undo it."""
