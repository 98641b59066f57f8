"""Which images of a collection may be copies of a picture, or are similar to it."""
