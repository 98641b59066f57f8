"""Reading and authenticating requests, for every API and the pages."""
