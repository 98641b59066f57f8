"""What a process holds of a collection, and how it follows the rows."""
