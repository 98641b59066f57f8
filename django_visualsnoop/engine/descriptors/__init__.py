"""Pixels to what is kept of a picture to find it again."""
