"""The index in the project's PostgreSQL, with the extension pgvector."""

from django_visualsnoop.engine.index.pgvector.index import PgvectorIndex

__all__ = ["PgvectorIndex"]
