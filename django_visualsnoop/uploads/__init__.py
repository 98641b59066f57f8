"""Before a duplicate is uploaded: find the rows that have its picture, then warn or refuse."""
