"""The setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.conf import get_options
from tests.collections.contract import image
from tests.server.hosting import Tenant, call

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def test_a_setting_that_cannot_be(ann: Tenant, settings: Settings) -> None:
    settings.VISUALSNOOP_SERVER = {"MAX_BYTES": 0}
    assert call(ann, "POST", "/image", image(1)).status == 500


def test_encryption_keys_are_not_shown(settings: Settings) -> None:
    key = "x" * 43 + "="
    settings.VISUALSNOOP_SERVER = {"ENCRYPTION_KEYS": [key], "CACHE": "/tmp/x"}
    assert key not in repr(get_options())
    assert get_options().encryption_keys == (key,)
