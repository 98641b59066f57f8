"""The embedding model of the package: EfficientNet-Lite0, and what was learned for it."""

from django_visualsnoop.engine.lite0.model import Lite0Embedding

__all__ = ["Lite0Embedding"]
