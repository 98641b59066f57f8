"""A project that has not installed the app."""

from __future__ import annotations

import subprocess
import sys


def test_a_project_without_the_app_is_told_what_to_type() -> None:
    code = (
        "from django.conf import settings\n"
        "import django\n"
        "settings.configure(INSTALLED_APPS=['django.contrib.contenttypes'])\n"
        "django.setup()\n"
        "import django_visualsnoop.models\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImproperlyConfigured" in done.stderr
    assert 'Write INSTALLED_APPS += ["django_visualsnoop"] in the settings' in done.stderr
