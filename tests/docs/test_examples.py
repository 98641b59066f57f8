"""The documentation's code, run where that is cheap."""

from __future__ import annotations

import ast
import configparser
import importlib
import inspect
import math
import os
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.core.management import get_commands, load_command_class
from django.dispatch import Signal
from django.test import override_settings
from django.test.utils import isolate_apps
from django.urls import resolve
from django.utils import timezone

from django_visualsnoop import signals, views
from django_visualsnoop.collections import collections
from django_visualsnoop.health import CODES
from django_visualsnoop.indexed.options import indexed_fields
from django_visualsnoop.metrics import HELP, samples
from django_visualsnoop.models import SyncRecord, VisualSnoopMixin
from django_visualsnoop.querysets import VisualSnoopQuerySet
from django_visualsnoop.server.conf import ServerOptions, get_options
from tests.docs.blocks import Block, blocks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docs

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
        found = {model.__name__ for model in models}
        assert found == {"Product", "Article", "Listing", "Poster", "Print"}
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


@pytest.mark.parametrize("page", ["settings.rst", "tasks.rst", "operating.rst"])
def test_scheduled_tasks_exist(page: str) -> None:
    from django_visualsnoop import tasks

    registered = {tasks.sync_all.name, tasks.sync_records.name, tasks.audit.name}
    for entry in settings_of(page)["CELERY_BEAT_SCHEDULE"].values():
        assert entry["task"] in registered


def test_options_of_the_mixin_are_all_described() -> None:
    from django_visualsnoop.indexed.options import OPTION_NAMES

    text = (ROOT / "docs" / "models.rst").read_text()
    assert set(re.findall(r"^``(\w+)``$", text, re.MULTILINE)) == set(OPTION_NAMES)


def test_command_lines_are_understood() -> None:
    found = 0
    for page in PAGES:
        for name, rest in re.findall(
            r"python manage\.py\s+(visualsnoop_\w+)((?: +-[\w-]+(?: [\w./:@]+(?=[\s`]))?)*)",
            page.read_text(),
        ):
            command = load_command_class(get_commands()[name], name)
            command.create_parser("manage.py", name).parse_args(shlex.split(rest))
            found += 1
    assert found > 10


def test_the_servers_settings_are_its_defaults() -> None:
    given = settings_of("server.rst")["VISUALSNOOP_SERVER"]
    with override_settings(VISUALSNOOP_SERVER=given):
        assert get_options() == ServerOptions()


def block(page: str, start: str) -> str:
    """Return the code of a page's block that begins with this."""
    (code,) = (b.code for b in blocks_of(ROOT / "docs" / page) if b.code.startswith(start))
    return code


def test_the_view_for_probes_is_put_into_urls_that_work() -> None:
    names: dict[str, Any] = {}
    exec(block("operating.rst", "from django.urls"), names)
    root = ModuleType("documented_urls")
    root.urlpatterns = names["urlpatterns"]  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=root):
        assert resolve("/healthz/visualsnoop/").func is views.health
        found = resolve("/healthz/visualsnoop/archive/")
    inspect.signature(views.health).bind(None, **found.kwargs)


@pytest.mark.django_db
def test_gauges_reach_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, dict[str, str], float]] = []
    family = mock.Mock(side_effect=lambda name, text: _Family(name, told))
    registry = mock.Mock()
    stand_in(monkeypatch, "prometheus_client", REGISTRY=registry)
    stand_in(monkeypatch, "prometheus_client.core", GaugeMetricFamily=family)
    exec(block("operating.rst", "from prometheus_client"), {})
    (collector,) = registry.register.call_args.args
    assert {one.name for one in collector.describe()} == set(HELP)
    assert {one.name for one in collector.collect()} == set(HELP)
    assert told == [tuple(sample) for sample in samples()]


class _Family:
    def __init__(self, name: str, told: list[Any]) -> None:
        self.name = name
        self.add_sample = lambda *sample: told.append(sample)


@pytest.mark.django_db
def test_gauges_reach_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = mock.Mock()
    monkeypatch.setattr("django.db.close_old_connections", lambda: None)  # the test's own is one
    stand_in(monkeypatch, "opentelemetry")
    stand_in(
        monkeypatch,
        "opentelemetry.metrics",
        Observation=lambda value, labels: (labels, value),
        get_meter=lambda name: meter,
    )
    exec(block("operating.rst", "from django.db import close_old"), {})
    told = [
        (call.args[0], *observed)
        for call in meter.create_observable_gauge.call_args_list
        for observed in call.args[1][0](None)
    ]
    assert sorted(told, key=repr) == sorted(map(tuple, samples()), key=repr)


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **names: object) -> None:
    """Let a module that is not installed be imported."""
    module = ModuleType(name)
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, name, module)


def test_receivers_take_what_the_signals_give() -> None:
    counters = {name: mock.Mock() for name in ("LAG", "FAILURES", "LOST_MESSAGES", "LAST_SWEEP")}
    names: dict[str, Any] = dict(counters)
    exec(block("operating.rst", "from django.dispatch"), names)
    record = SyncRecord(requested_at=timezone.now())
    sent: list[tuple[Signal, dict[str, Any]]] = [
        (signals.image_synced, {"record": record, "stored": True}),
        (signals.image_sync_failed, {"record": record, "reason_code": "error"}),
        (signals.dispatch_failed, {"count": 3, "reason": "silent"}),
        (signals.swept, {"in_sync": 1, "seconds": 0.1}),
    ]
    for signal, arguments in sent:
        signal.send(sender=None, using="default", **arguments)
    assert all(counter.mock_calls for counter in counters.values())
    counters["LOST_MESSAGES"].labels.return_value.inc.assert_called_once_with(3)


def test_every_problem_gauge_and_signal_is_described() -> None:
    text = (ROOT / "docs" / "operating.rst").read_text()
    table = text[text.index("Problems\n~~~") : text.index("Probes\n---")]
    assert set(re.findall(r"^    \* - ``(\w+)``$", table, re.MULTILINE)) == set(CODES)
    assert all(f"``{name}``" in text for name in HELP)
    named = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert all(f"    * - ``{name}``\n" in text for name in named)


def test_figures_are_those_of_the_code() -> None:
    from django_visualsnoop import health
    from django_visualsnoop.client import transport
    from django_visualsnoop.outbox import dispatch
    from django_visualsnoop.search import similar as searching

    def text(page: str) -> str:
        return " ".join((ROOT / "docs" / page).read_text().split())

    assert f"commit waits at most {math.ceil(dispatch.MAX_WAIT)} seconds" in text("tasks.rst")
    assert f"left alone for {dispatch.PAUSE_AFTER_FAILURE:g} seconds" in text("tasks.rst")
    assert f"no more than {health.SAMPLE} records" in text("operating.rst")
    assert f"nobody working on it; {health.MAX_DELAY:g} if not given" in text("operating.rst")
    assert f"failed to count; {health.MIN_ATTEMPTS} if not given" in text("operating.rst")
    assert f"longer than {health.MAX_DELAY / 60:g} minutes" in text("checks.rst")
    assert health.MIN_ATTEMPTS == 3
    assert "failed three times in a row" in text("checks.rst")
    assert f"left alone for {dispatch.PAUSE_AFTER_FAILURE:g} seconds" in text("operating.rst")
    assert dispatch.MAX_THREADS == 4
    assert "At most four threads publish at once" in text("tasks.rst")
    assert f"at most {searching.MAX_LIMIT:,} rows" in text("searching.rst")
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
