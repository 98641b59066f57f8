"""Indexed models: their options, keys and rows, and change tracking."""
