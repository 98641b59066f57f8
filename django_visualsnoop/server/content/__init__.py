"""The content of a hosted collection: images, pictures, metadata, pairs, changes, transfers."""
