"""The documentation's code, run where that is cheap."""

from __future__ import annotations

import ast
import configparser
import importlib
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.test import override_settings
from django.test.utils import isolate_apps

from django_visualsnoop.collections import collections
from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.options import indexed_fields
from django_visualsnoop.querysets import VisualSnoopQuerySet
from tests.docs.blocks import Block, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/*.rst"), *ROOT.glob("README.rst")])


def python_blocks(pages: list[Path]) -> Iterator[Any]:
    for page in pages:
        for block in blocks_of(page):
            if block.language == "python":
                yield pytest.param(block, id=f"{page.name}:{block.line}")


def settings_of(page: str) -> dict[str, Any]:
    """Run the setting blocks of a page, and return what they set."""
    names: dict[str, Any] = {"os": os}
    with mock.patch.dict(os.environ, {"VISUALSNOOP_SECRET_KEY": "not a real one"}):
        for block in blocks_of(ROOT / "docs" / page):
            if re.match(r"[A-Z_]+ = ", block.code):
                exec(block.code, names)
    return names


@pytest.mark.parametrize("block", list(python_blocks(PAGES)))
def test_python_is_python_and_imports_what_there_is(block: Block) -> None:
    code = compile(
        block.code, block.caption, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    )
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django"):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"no {alias.name} in {node.module}"


@isolate_apps("tests.testapp")
def test_models_pass_their_checks() -> None:
    names: dict[str, Any] = {"__name__": "tests.testapp.models", "import_catalogue": list}
    with override_settings(VISUALSNOOP={"archive": {}}):
        for block in blocks_of(ROOT / "docs" / "models.rst"):
            exec(block.code, names)
        models = [
            value
            for value in names.values()
            if isinstance(value, type)
            and issubclass(value, VisualSnoopMixin)
            and value is not VisualSnoopMixin
        ]
        assert {model.__name__ for model in models} == {"Product", "Article", "Listing", "Poster"}
        assert [problem for model in models for problem in model.check()] == []
    (cover,) = indexed_fields(names["Article"])
    assert (cover.name, cover.collection) == ("cover", "archive")
    (photo,) = indexed_fields(names["Listing"])
    assert photo.has_condition
    assert isinstance(names["Poster"].objects.published(), VisualSnoopQuerySet)


@pytest.mark.parametrize("page", ["settings.rst", "testing.rst"])
def test_settings_make_collections(page: str) -> None:
    setting = settings_of(page)["VISUALSNOOP"]
    with override_settings(VISUALSNOOP=setting):
        for alias, params in setting.items():
            collection = collections[alias]
            module, _, name = params["BACKEND"].rpartition(".")
            assert type(collection) is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("page", ["settings.rst", "tasks.rst"])
def test_scheduled_tasks_exist(page: str) -> None:
    from django_visualsnoop import tasks

    registered = {tasks.sync_all.name, tasks.sync_records.name}
    for entry in settings_of(page)["CELERY_BEAT_SCHEDULE"].values():
        assert entry["task"] in registered


def test_options_of_the_mixin_are_all_described() -> None:
    from django_visualsnoop.options import OPTION_NAMES

    text = (ROOT / "docs" / "models.rst").read_text()
    assert set(re.findall(r"^``(\w+)``$", text, re.MULTILINE)) == set(OPTION_NAMES)


def test_figures_are_those_of_the_code() -> None:
    from django_visualsnoop import hints, searching
    from django_visualsnoop.client import transport

    def text(page: str) -> str:
        return " ".join((ROOT / "docs" / page).read_text().split())

    assert f"commit waits at most {math.ceil(hints.MAX_WAIT)} seconds" in text("tasks.rst")
    assert f"left alone for {hints.PAUSE_AFTER_FAILURE:g} seconds" in text("tasks.rst")
    assert hints.MAX_THREADS == 4
    assert "At most four threads publish at once" in text("tasks.rst")
    assert f"At most the {searching.MAX_RANKED:,} most similar rows" in text("searching.rst")
    connect, read = transport.DEFAULT_TIMEOUT
    assert f"Default: ``({connect:g}, {read:g})``" in text("settings.rst")
    assert f"``max_retries`` (default {transport.DEFAULT_MAX_RETRIES})" in text("settings.rst")


def test_versions_are_those_of_the_metadata() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    oldest_python = metadata["options"]["python_requires"].removeprefix(">=")
    oldest_django = re.search(r"Django>=([\d.]+)", metadata["options"]["install_requires"])
    assert oldest_django is not None
    for page in PAGES:
        text = page.read_text()
        for version in re.findall(r"Python (\d+\.\d+) or newer", text):
            assert version == oldest_python, page.name
        for version in re.findall(r"Django (\d+\.\d+) or newer", text):
            assert version == oldest_django[1], page.name
    assert f"Python {oldest_python} or newer" in (ROOT / "docs" / "quickstart.rst").read_text()


def test_every_extra_that_is_named_exists() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    extras = set(metadata["options.extras_require"])
    for page in PAGES:
        for named in re.findall(r"django-visualsnoop\[([\w,]+)\]", page.read_text()):
            assert set(named.split(",")) <= extras, page.name
