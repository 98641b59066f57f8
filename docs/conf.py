"""Settings of the documentation: ``sphinx-build -W -n docs build/docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django_visualsnoop import __version__

# Enough of a project for autodoc to import the models.
settings.configure(
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django_visualsnoop",
        "django_visualsnoop.engine",
    ],
)
django.setup()

project = "django-visualsnoop"
author = "the django-visualsnoop authors"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {version}"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "separated"
add_module_names = False
# Other projects' objects are named in the text, not linked: the build needs no network.
nitpick_ignore_regex = [("py:.*", r"(?!django_visualsnoop\.).*")]
