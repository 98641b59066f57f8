"""Doing it: the collections are brought in step with the rows, and it is seen whether they are."""
