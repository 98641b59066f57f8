"""What a hosted collection holds: images, kept pictures, metadata, pairs, changes, transfers."""
