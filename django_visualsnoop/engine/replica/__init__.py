"""Hold a collection's vectors in a process, and keep them up to date with the rows."""
