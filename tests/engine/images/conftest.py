"""No test of images leaves the process changed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageFile

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """Fail if a test leaves anything process-wide changed."""
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    yield
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    assert after == before
