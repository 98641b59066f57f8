"""Sync: bring the collections in sync with the rows, and verify that they are."""
