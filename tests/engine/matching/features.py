"""Features that are close to one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.engine.descriptors.test_descriptor import random_descriptor

if TYPE_CHECKING:
    from django_visualsnoop.engine.descriptors.descriptor import Descriptor


def described(count: int, dice: np.random.Generator) -> Descriptor:
    """Return a descriptor of codes that are close to one another, equally so often."""
    one = random_descriptor(count)
    return one._replace(
        codes=dice.integers(0, 2**10, count, dtype=np.uint64),
        places=dice.integers(40, 80, (count, 4), dtype=np.uint8),
    )
