"""API v2: what API v1 lacks, beside it, with an OpenAPI 3.1 document made from the code."""
