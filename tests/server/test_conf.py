"""The setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.images import HostedImages
from tests.collections.contract import image
from tests.engine.pictures import saved
from tests.server.hosting import Tenant, call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def test_a_setting_that_cannot_be(ann: Tenant, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 0}
    assert call(ann, "POST", "/image", image(1)).status == 500


def test_capture_times_can_be_switched_off(ann: Tenant, settings: Settings) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Example"
    exif.get_ifd(0x8769)[0x9003] = "2024:07:14 15:30:05"
    content = saved(Image.new("RGB", (40, 30)), "JPEG", exif=exif)
    assert HostedImages(ann.collection).gallery.decode_picture(content).capture is not None
    settings.VISUALSNOOP_SERVER = {"CAPTURE_TIMES": False}
    assert HostedImages(ann.collection).gallery.decode_picture(content).capture is None


def test_encryption_keys_are_not_shown(settings: Settings) -> None:
    key = "x" * 43 + "="
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [key], "CACHE": "/tmp/x"}
    assert key not in repr(get_options())
    assert get_options().encryption_keys == (key,)
