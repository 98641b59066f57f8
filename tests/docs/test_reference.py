"""Every public name is in the reference."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
from django.dispatch import Signal

from tests.docs.test_examples import ROOT

pytestmark = pytest.mark.docs

#: Modules that a project may import all public names of.
MODULES = [
    "admin",
    "client.models",
    "exceptions",
    "health",
    "merging",
    "metrics",
    "models",
    "querysets",
    "rest_framework",
    "signals",
    "tasks",
    "templatetags.visualsnoop",
    "testing",
    "testing.contract",
    "testing.drawing",
    "uploads.forms",
    "uploads.validators",
    "views",
]
#: What has no underscore, and no project needs.
OURS = {"admin.SyncRecordAdmin", "health.sweep_words", "signals.tell"}

TEXT = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.rst")))


def find_documented() -> set[str]:
    """Return the names that a directive generates from docstrings, without the package's."""
    found: set[str] = set()
    module = ""
    for directive, name in re.findall(
        r"^\s*\.\. (currentmodule|auto\w+):: ([\w.]+)", TEXT, re.MULTILINE
    ):
        name = name.removeprefix("django_visualsnoop.")
        if directive == "currentmodule":
            module = name
        else:
            found.update({name, f"{module}.{name}"})
    return found


DOCUMENTED = find_documented()


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    imported = importlib.import_module(f"django_visualsnoop.{module}")
    own = [name for name, value in vars(imported).items() if is_public(name, value, imported)]
    undocumented = []
    for name in getattr(imported, "__all__", own):
        declared = getattr(vars(imported)[name], "__module__", "")
        known = {
            module,  # with automodule
            f"{module}.{name}",
            f"{declared}.{name}".removeprefix("django_visualsnoop."),
        }
        if not known & DOCUMENTED and f"{module}.{name}" not in OURS:
            undocumented.append(name)
    assert undocumented == []


def is_public(name: str, value: object, module: object) -> bool:
    """Return whether a module itself makes something for others to import."""
    if name.startswith("_"):
        return False
    is_made = inspect.isclass(value) or inspect.isfunction(value) or hasattr(value, "delay")
    is_own = getattr(value, "__module__", "") == getattr(module, "__name__", None)
    return isinstance(value, Signal) or (is_made and is_own)
