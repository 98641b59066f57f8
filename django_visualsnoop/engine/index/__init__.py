"""Find the images of a collection that may be copies of a picture, or are similar to it."""
