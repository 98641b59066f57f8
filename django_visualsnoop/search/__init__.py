"""Search: copies and similar pictures, as rows."""
