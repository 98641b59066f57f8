"""The servers of indexes, one of each for all tests."""

from __future__ import annotations

from tests.engine.index.milvus.fixtures import milvus_index, milvus_prefix, milvus_uri
from tests.engine.index.pgvector.databases import database, server_url

__all__ = ["database", "milvus_index", "milvus_prefix", "milvus_uri", "server_url"]
