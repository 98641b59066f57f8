"""An index in the memory of each process, and in files that processes map and share."""
