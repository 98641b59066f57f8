"""What a hosted collection holds: images, pictures, metadata, pairs, changes, transfers."""
