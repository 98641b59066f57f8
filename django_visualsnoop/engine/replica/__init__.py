"""What a process holds of a collection, and how it keeps up with the rows."""
