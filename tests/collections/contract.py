"""What many tests need of the contract and its pictures, by shorter names."""

from django_visualsnoop.testing.contract import IMPOSSIBLE_IDS, ODD_IDS
from django_visualsnoop.testing.drawing import draw_picture as image

__all__ = ["IMPOSSIBLE_IDS", "ODD_IDS", "image"]
