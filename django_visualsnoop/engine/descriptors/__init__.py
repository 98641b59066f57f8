"""Convert pixels to the data stored for finding a picture again."""
