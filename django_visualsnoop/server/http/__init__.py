"""How requests are read and authenticated, the same for every API and the pages."""
