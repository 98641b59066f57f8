"""An index in a Milvus server or cluster."""

from django_visualsnoop.engine.index.milvus.index import MilvusIndex

__all__ = ["MilvusIndex"]
