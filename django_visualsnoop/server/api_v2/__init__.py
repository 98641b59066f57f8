"""API v2: it adds to API v1, and has an OpenAPI 3.1 document generated from the code."""
