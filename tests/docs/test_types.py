"""What type checkers say of the documented code, in a project of a user."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.test_examples import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.docs,
    pytest.mark.skipif(
        os.environ.get("TEST_TYPES") != "1", reason="runs mypy and pyright; TEST_TYPES=1 runs it"
    ),
]

SETTINGS = """
SECRET_KEY = "test"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.messages", "django.contrib.sessions",
    "django_visualsnoop", "django_visualsnoop.engine", "shop",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
MYPY = """
[mypy]
strict = true
plugins = mypy_django_plugin.main
[mypy.plugins.django-stubs]
django_settings_module = "mysite_settings"
"""
#: What is inferred, which is no example for a page.
INFERRED = """
from __future__ import annotations
from typing import Union
from typing_extensions import assert_type
from django.contrib import admin
from django_visualsnoop.admin import VisualSnoopAdminMixin
from django_visualsnoop.search.duplicates import DuplicateGroup
from django_visualsnoop.testing import sync_now
from django_visualsnoop.uploads.existing import find_existing
from django.http import HttpRequest
from shop.models import Poster, Product


class ProductAdmin(VisualSnoopAdminMixin, admin.ModelAdmin[Product]):
    list_display = ["name", "visualsnoop_state"]


def infer(request: HttpRequest, product: Product) -> None:
    assert_type(Product.objects.similar_to(product).first(), Union[Product, None])
    assert_type(Product.objects.filter(name="x").copies_of(b"x").exclude(pk=1).get(), Product)
    assert_type(Poster.objects.published().similar_to("x").first(), Union[Poster, None])
    assert_type(Poster.objects.similar_to("x").published().first(), Union[Poster, None])
    assert_type(find_existing(Product, request.FILES["photo"]), list[Product])
    assert_type(sync_now().in_sync, int)
    for group in Product.objects.duplicates():
        assert_type(group, DuplicateGroup[Product])
        assert_type([member.row for member in group.members], list[Product])
"""
WRONG = """
from shop.models import Product

Product.objects.similar_to(3)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the code of the page, and a module that is wrong."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "shop").mkdir()
    for block in blocks_of(ROOT / "docs" / "types.rst"):
        (folder / block.caption).write_text(block.code)
    for name, text in {
        "mysite_settings.py": SETTINGS,
        "mypy.ini": MYPY,
        "shop/__init__.py": "",
        "shop/inferred.py": INFERRED,
        "shop/wrong.py": WRONG,
    }.items():
        (folder / name).write_text(text)
    paths = {"include": ["shop"], "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(paths))
    return folder


def list_errors(project: Path, *command: str) -> list[str]:
    """Return the lines that name an error; only one module may have one."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("DJANGO")
    }
    path = os.pathsep.join((str(project), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={**environment, "PYTHONPATH": path, "MYPYPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return [line.strip() for line in done.stdout.splitlines() if " error: " in line]


def test_mypy_accepts_the_documented_code(project: Path) -> None:
    (error,) = list_errors(project, "mypy", "--cache-dir", str(project / "cache"), "shop")
    assert error.startswith('shop/wrong.py:4: error: Argument 1 to "similar_to"')


def test_pyright_accepts_the_documented_code(project: Path) -> None:
    assert importlib.util.find_spec("pyright") is not None, 'type: pip install "pyright[nodejs]"'
    (error,) = list_errors(project, "pyright", "--pythonpath", sys.executable)
    assert "wrong.py:4:28 - error: Argument of type" in error
