"""How much a picture shows beside a smooth change of light."""

from __future__ import annotations

import pytest

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.images.unevenness import measure_unevenness
from tests.collections.contract import image
from tests.engine.descriptors.pages import flat, gradient


def test_unevenness_is_that_of_details() -> None:
    assert measure_unevenness(flat(9, 9, 9)) == pytest.approx(0, abs=1e-6)
    assert measure_unevenness(gradient((0, 0, 0), (255, 255, 255))) < 1
    assert measure_unevenness(decode(image(1)).pixels) > 10
