"""The fixtures for projects, in the page's own test, and what loading them costs."""

from __future__ import annotations

import configparser
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import default_storage

from django_visualsnoop.testing import sync_now
from tests.docs.test_examples import ROOT, block
from tests.testapp.models import Product

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.core.files.base import ContentFile
    from django.core.files.storage import Storage
    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

PLUGIN = "django_visualsnoop.pytest_plugin"


@pytest.mark.django_db
def test_the_documented_test(
    visualsnoop_recorder: RecorderCollection,
    visualsnoop_media: Storage,
    visualsnoop_picture: Callable[..., ContentFile[bytes]],
) -> None:
    names: dict[str, Any] = {}
    code = block("testing.rst", "import pytest")
    exec(code.replace("shop.models", "tests.testapp.models"), names)
    names["test_copy_is_found"](visualsnoop_recorder, visualsnoop_media, visualsnoop_picture)


@pytest.mark.django_db
def test_files_in_memory_with_the_engine(
    visualsnoop_media: Storage,
    visualsnoop_picture: Callable[..., ContentFile[bytes]],
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.MEDIA_ROOT = tmp_path
    first = Product.objects.create(photo=visualsnoop_picture(1))
    assert default_storage.exists(str(first.photo.name))
    assert list(tmp_path.iterdir()) == []
    copy = Product.objects.create(photo=visualsnoop_picture(1))
    assert sync_now().in_sync == 2
    assert list(Product.objects.copies_of(first)) == [copy]


def test_loading_it_imports_nothing_of_django() -> None:
    code = f"import sys, {PLUGIN}; print([name for name in sys.modules if name == 'django'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_pytest_finds_it_by_its_entry_point() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    # By the module's own name, a conftest may name it as well.
    assert metadata["options.entry_points"]["pytest11"].strip() == f"{PLUGIN} = {PLUGIN}"
