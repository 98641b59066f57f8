"""The recipe for Wagtail, in a project of its own, if Wagtail is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.test_examples import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.docs

SETTINGS = """
SECRET_KEY = "test"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "mysite.urls"
STATIC_URL = "/static/"
WAGTAIL_SITE_NAME, WAGTAILADMIN_BASE_URL = "shop", "http://testserver"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CELERY_BROKER_URL = "memory://"
INSTALLED_APPS = [
    "shop",
    *(f"wagtail.{app}" for app in ("users", "images", "documents", "search", "admin")),
    "wagtail", "taggit", "django_filters",
    *(f"django.contrib.{app}" for app in ("auth", "contenttypes", "messages", "sessions")),
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
"""

URLS = """
from django.urls import include, path
from wagtail.admin import urls
urlpatterns = [path("admin/", include(urls))]
"""

UPLOAD = """
import io, django
django.setup()
from django.contrib.auth.models import User
from django.core import checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from PIL import Image, ImageOps
from django_visualsnoop.testing import sync_now
from django_visualsnoop.testing.drawing import draw_picture

call_command("makemigrations", "shop", verbosity=0)
call_command("migrate", verbosity=0)
found = {one.id for one in checks.run_checks()}
assert not found & {"visualsnoop.W021", "visualsnoop.W022", "visualsnoop.W023"}
assert not any(name.startswith("visualsnoop.E") for name in found)
client = Client()
client.force_login(User.objects.create_superuser("ann"))

def upload(number, edit=lambda picture: picture):
    written = io.BytesIO()
    edit(Image.open(io.BytesIO(draw_picture(number)))).save(written, "PNG")
    photo = SimpleUploadedFile("a.png", written.getvalue(), "image/png")
    data = {"image-chooser-upload-title": "a", "image-chooser-upload-file": photo,
            "image-chooser-upload-collection": 1}
    answer = client.post("/admin/images/chooser/create/", data)
    assert answer.status_code == 200, answer
    return answer.json()["step"]

assert upload(1) == "chosen", "the first"
assert upload(1, ImageOps.mirror) == "duplicate_found", "while it waits"
assert sync_now().in_sync == 2
assert upload(1, lambda picture: ImageOps.crop(picture, 12)) == "duplicate_found", "a crop"
assert upload(2) == "chosen", "another"
from shop.models import ShopImage
sync_now()
assert ShopImage.objects.copies_of(ShopImage.objects.first()).count() == 2
print("done")
"""


def test_the_chooser_warns_about_copies(tmp_path: Path) -> None:
    pytest.importorskip("wagtail")
    for block in blocks_of(ROOT / "docs" / "wagtail.rst"):
        text = SETTINGS + block.code if "settings" in block.caption else block.code
        path = tmp_path / block.caption
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "mysite" / "urls.py").write_text(URLS)
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "migrations").mkdir()
    (tmp_path / "shop" / "migrations" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", UPLOAD],
        cwd=tmp_path,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("done\n"), done.stderr
