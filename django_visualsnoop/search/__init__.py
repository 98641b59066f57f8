"""Asking: copies and similar pictures, as rows."""
