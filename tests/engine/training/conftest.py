"""Pictures to learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.engine.images.decode import decode
from tests.collections.contract import image

if TYPE_CHECKING:
    import numpy as np


@pytest.fixture
def photos() -> list[list[np.ndarray]]:
    return [[decode(image(number)).pixels] for number in range(1, 21)]
