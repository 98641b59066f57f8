"""One test per check, named after its id."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from importlib import util
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from django.apps import apps
from django.core.checks import WARNING, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLiteWrapper
from django.db.models.fields.files import ImageFileDescriptor
from django.test.utils import isolate_apps

from django_visualsnoop import checks
from django_visualsnoop.collections.base import BaseCollection
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine import onnx
from django_visualsnoop.engine.onnx import OnnxEmbedding
from django_visualsnoop.exceptions import MissingExtra
from django_visualsnoop.indexed.checks import check_model
from django_visualsnoop.indexed.descriptors import track
from django_visualsnoop.indexed.options import IndexedField, indexed_field, indexed_fields
from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.outbox import celery as celery_app
from django_visualsnoop.outbox import checks as database_checks
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.outbox.retry import NOT_THE_PICTURES
from django_visualsnoop.outbox.sweeps import SweepRun
from django_visualsnoop.querysets import VisualSnoopManager, VisualSnoopQuerySet
from tests.down import database_down, tables_gone
from tests.embeddings import HALF, colour_model
from tests.records import ago, failing, records
from tests.testapp.models import Article, Document, Product

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from django.core.checks import CheckMessage
    from pytest_django.fixtures import Settings

HTTP = "django_visualsnoop.collections.http.HTTPCollection"
KEYS = {"PUBLIC_KEY": "public", "SECRET_KEY": "s3cr3t"}

#: Settings of Celery with which beat runs the sweeper.
SWEPT = {"beat_schedule": {"any": {"task": checks.SWEEPER, "schedule": 60.0}}}

# Without the mark django_db, any use of a database fails.


@pytest.fixture(autouse=True)
def _with_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("project", broker="memory://", set_as_current=False)
    app.conf.update(SWEPT)
    use_celery(monkeypatch, app)


def use_celery(monkeypatch: pytest.MonkeyPatch, app: Any) -> None:
    monkeypatch.setattr(checks, "project_app", lambda: app)


def ids(messages: Iterable[CheckMessage]) -> list[str]:
    """Return the ids, having looked that every message says what to type."""
    messages = list(messages)
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages if str(message.id).startswith("visualsnoop")]


def only(messages: Iterable[CheckMessage], check_id: str) -> CheckMessage:
    messages = list(messages)
    assert ids(messages) == [check_id]
    return messages[0]


def all_ids() -> list[str]:
    return ids(m for m in run_checks() if str(m.id).startswith("visualsnoop"))


def test_nothing_is_wrong_with_the_test_project() -> None:
    assert all_ids() == []


def indexed(options: dict[str, Any] | None = None, **attributes: Any) -> type[VisualSnoopMixin]:
    """Return a model with a photo, made in an isolated registry."""
    body: dict[str, Any] = {
        "__module__": "tests.testapp.models",
        "photo": models.ImageField(),
        "name": models.CharField(max_length=10),
        **attributes,
    }
    if options is not None:
        body["VisualSnoop"] = type("VisualSnoop", (), options)
    return type("Thing", (VisualSnoopMixin, models.Model), body)


@isolate_apps("tests.testapp")
def test_a_model_with_every_option_is_right() -> None:
    model = indexed(
        {
            "fields": ["photo"],
            "collection": "archive",
            "image_id": "{database}/{model}/{field}/{pk}",
            "condition_fields": ("name",),
        }
    )
    assert ids(check_model(model)) == []


@isolate_apps("tests.testapp")
def test_e001() -> None:
    message = only(indexed({"collection": "atic"}).check(), "visualsnoop.E001")
    assert "'atic'" in message.msg
    assert "VISUALSNOOP['atic']" in (message.hint or "")
    assert "'archive', 'default'" in (message.hint or "")


@isolate_apps("tests.testapp")
def test_e002() -> None:
    message = only(indexed({"fields": ["foto"]}).check(), "visualsnoop.E002")
    assert "'foto'" in message.msg
    assert "fields = ['photo']" in (message.hint or "")


@isolate_apps("tests.testapp")
def test_e003() -> None:
    message = only(indexed({"fields": ["photo", "name"]}).check(), "visualsnoop.E003")
    assert "CharField" in message.msg
    assert "fields = ['photo']" in (message.hint or "")


@isolate_apps("tests.testapp")
def test_e004() -> None:
    message = only(indexed({"colection": "archive"}).check(), "visualsnoop.E004")
    assert "'colection'" in message.msg
    assert "collection" in (message.hint or "")


@isolate_apps("tests.testapp")
@pytest.mark.parametrize("template", ["photo", "{pk}{pk}", "{id}", "{pk", 7])
def test_e005(template: object) -> None:
    message = only(indexed({"image_id": template}).check(), "visualsnoop.E005")
    assert "image_id = '{model}.{field}:{pk}'" in (message.hint or "")


def field(
    template: str, name: str = "photo", model: type[models.Model] = Product, alias: str = "default"
) -> IndexedField:
    return IndexedField(model, name, alias, template, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (field("{model}/{pk}", "a"), field("{model}/{pk}", "b")),
        (field("{pk}", model=Product), field("{pk}", model=Document)),
        (field("img{pk}", "a"), field("img1{pk}", "b")),
        (field("{pk}.jpg", "a", Document), field("x{pk}", "b", Document)),
        (field("{pk}-1", "a"), field("{pk}", "b", Document)),
    ],
)
def test_e006(monkeypatch: pytest.MonkeyPatch, first: IndexedField, second: IndexedField) -> None:
    monkeypatch.setattr(checks, "all_indexed_fields", lambda: [first, second])
    message = only(checks.check_image_ids(), "visualsnoop.E006")
    assert str(first) in message.msg
    assert str(second) in message.msg


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (field("{model}.{field}:{pk}", "a"), field("{model}.{field}:{pk}", "b")),
        (field("{pk}", "a"), field("{pk}", "b", alias="archive")),
        (field("{pk}", "a"), field("{pk}", "b", Article)),
        (field("scan/{pk}", "a"), field("scan/photo:{pk}", "b")),
        (field("{pk}.a", "a"), field("{pk}.b", "b")),
        (field("a{pk}", "a", Document), field("b{pk}", "b", Document)),
        (field("{pk}.jpg", "a", Document), field("x{pk}", "b")),
    ],
)
def test_ids_that_cannot_meet(
    monkeypatch: pytest.MonkeyPatch, first: IndexedField, second: IndexedField
) -> None:
    monkeypatch.setattr(checks, "all_indexed_fields", lambda: [second, first])
    assert checks.check_image_ids() == []


@isolate_apps("tests.testapp")
def test_e007() -> None:
    message = only(indexed({"condition_fields": ["activ"]}).check(), "visualsnoop.E007")
    assert "'activ'" in message.msg
    assert "'name'" in (message.hint or "")


@isolate_apps("tests.testapp")
def test_e008() -> None:
    model = indexed(
        pk=models.CompositePrimaryKey("shelf", "place"),
        shelf=models.IntegerField(),
        place=models.IntegerField(),
    )
    message = only(model.check(), "visualsnoop.E008")
    assert "['shelf', 'place']" in (message.hint or "")


@isolate_apps("tests.testapp")
@pytest.mark.parametrize("option", ["fields", "condition_fields"])
def test_e009(option: str) -> None:
    message = only(indexed({option: "photo"}).check(), "visualsnoop.E009")
    assert f"{option} = ['photo']" in (message.hint or "")


@pytest.mark.parametrize("setting", [["default"], "default", {"default": HTTP}])
def test_e010(settings: Settings, setting: object) -> None:
    settings.VISUALSNOOP = setting
    message = only(checks.check_collections(), "visualsnoop.E010")
    assert "must be a dict" in message.msg


def test_a_wrong_setting_stops_no_other_check(settings: Settings) -> None:
    settings.VISUALSNOOP = []
    assert all_ids() == ["visualsnoop.E010"]


@pytest.mark.parametrize(
    "path",
    ["no.such.Backend", "django_visualsnoop.collections.http.Nothing", "decimal.Decimal", "x"],
)
def test_e011(settings: Settings, path: str) -> None:
    settings.VISUALSNOOP = {"default": {"BACKEND": path}}
    assert path in only(checks.check_collections(), "visualsnoop.E011").msg


def test_e012(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "django_visualsnoop.collections.local.importlib.util.find_spec",
        lambda name: None if name == "numpy" else object(),
    )
    settings.VISUALSNOOP = {}
    message = only(checks.check_collections(), "visualsnoop.E012")
    assert 'pip install "django-visualsnoop[engine]"' in (message.hint or "")


@pytest.mark.parametrize("key", ["ENDPOINT", "PUBLIC_KEY", "SECRET_KEY"])
def test_e013(settings: Settings, key: str) -> None:
    params = {"BACKEND": HTTP, "ENDPOINT": "https://images.example.com/api/v1", **KEYS}
    settings.VISUALSNOOP = {"default": params}
    assert checks.check_collections() == []
    settings.VISUALSNOOP = {"default": {**params, key: ""}}
    message = only(checks.check_collections(), "visualsnoop.E013")
    assert key in message.msg
    assert f'"{key}": ' in (message.hint or "")


def test_e014(settings: Settings) -> None:
    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django_visualsnoop.engine"
    ]
    settings.VISUALSNOOP = {}
    message = only(checks.check_collections(), "visualsnoop.E014")
    assert '"django_visualsnoop.engine"' in (message.hint or "")


def test_e015(settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"database": "vectors"}}}
    message = only(checks.check_collections(), "visualsnoop.E015")
    assert "'default', 'other'" in (message.hint or "")


@pytest.mark.parametrize(
    "params",
    [
        {"OPTIONS": {"min_similarity": 2}},
        {"BACKEND": HTTP, "ENDPOINT": "images.example.com", **KEYS},
        {"BACKEND": HTTP, "ENDPOINT": "https://images.example.com", "TIMEOUT": -1, **KEYS},
    ],
)
def test_e016(settings: Settings, params: dict[str, object]) -> None:
    settings.VISUALSNOOP = {"default": params}
    message = only(checks.check_collections(), "visualsnoop.E016")
    assert "s3cr3t" not in str(message)


def test_e012_names_the_extra_of_a_model(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def found(name: str) -> object:
        return None if name == "onnxruntime" else object()

    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": colour_model(tmp_path)}}}
    assert checks.check_collections() == []
    monkeypatch.setattr("importlib.util.find_spec", found)
    message = only(checks.check_collections(), "visualsnoop.E012")
    assert "django-visualsnoop[onnx]" in (message.hint or "")
    with pytest.raises(MissingExtra, match=r"django-visualsnoop\[onnx\]"):
        LocalCollection("default", settings.VISUALSNOOP["default"])


def test_e017(settings: Settings, tmp_path: Path) -> None:
    embedding = OnnxEmbedding(tmp_path / "gone.onnx", 224, HALF, HALF)
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
    assert "gone.onnx" in only(checks.check_collections(), "visualsnoop.E017").msg


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (224, "must be an OnnxEmbedding, or the dotted path of one, not 224."),
        ("tests.embeddings.MISSING", "could not import 'tests.embeddings.MISSING': Module"),
        (
            "tests.embeddings.RED",
            "must be the dotted path of an OnnxEmbedding, but 'tests.embeddings.RED' is a ",
        ),
        (OnnxEmbedding, "must be an OnnxEmbedding"),
    ],
)
def test_e016_of_embedding(settings: Settings, embedding: object, message: str) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
    assert message in only(checks.check_collections(), "visualsnoop.E016").msg
    with pytest.raises(ImproperlyConfigured) as caught:
        LocalCollection("default", settings.VISUALSNOOP["default"])
    assert message in str(caught.value)


def test_an_embedding_model_may_be_the_projects_own(settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": "tests.embeddings.MEAN_COLOUR"}}}
    assert checks.check_collections() == []
    assert LocalCollection("default", settings.VISUALSNOOP["default"]).longest_call > 240
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": None}}}
    assert checks.check_collections() == []


def test_only_collections_that_are_set_or_used_are_looked_at(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Asked(BaseCollection):
        @classmethod
        def check(cls, alias: str, params: Any) -> list[CheckMessage]:  # noqa: ARG003
            asked.append(alias)
            return []

    monkeypatch.setattr(checks, "import_string", lambda _: Asked)
    monkeypatch.setattr(checks, "all_indexed_fields", lambda: [indexed_field(Document, "scan")])
    settings.VISUALSNOOP = {"archive": {}, "unused": {}}
    checks.check_collections()
    assert sorted(asked) == ["archive", "unused"]


CASCADE: Any = getattr(models, "DB_CASCADE", None)


@pytest.mark.skipif(CASCADE is None, reason="Django 6.1 brought DB_CASCADE")
@isolate_apps("tests.testapp")
def test_w001() -> None:
    module = {"__module__": "tests.testapp.models"}
    city = type("Town", (models.Model,), dict(module))
    stall = type(
        "Stall",
        (models.Model,),
        {**module, "city": models.ForeignKey(city, on_delete=CASCADE)},
    )
    model = indexed(
        stall=models.ForeignKey(stall, on_delete=CASCADE),
        maker=models.ForeignKey(city, null=True, on_delete=models.DO_NOTHING),
    )
    message = only(check_model(model), "visualsnoop.W001")
    assert "a testapp.Stall or a testapp.Town is deleted" in message.msg
    assert "--prune" in (message.hint or "")

    child: Any = type("Child", (model,), dict(module))
    assert ids(check_model(child)) == []


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("http://images.example.com/api/v1", True),
        ("http://10.0.0.1:8000/api/v1", True),
        ("https://images.example.com/api/v1", False),
        ("http://localhost:8000/api/v1", False),
        ("http://127.0.0.1:8000/api/v1", False),
        ("http://[::1]:8000/api/v1", False),
    ],
)
def test_w002(settings: Settings, endpoint: str, warned: bool) -> None:
    settings.VISUALSNOOP = {"default": {"BACKEND": HTTP, "ENDPOINT": endpoint, **KEYS}}
    found = checks.check_collections()
    assert ids(found) == (["visualsnoop.W002"] if warned else [])
    assert "s3cr3t" not in str(found)


def fallback() -> Celery:
    """Return an app like the one that Celery makes by itself."""
    return Celery("default", set_as_current=False, fixups=[])


@pytest.mark.parametrize(
    "app", [fallback(), Celery("project", set_as_current=False)], ids=["no app", "no broker"]
)
def test_w003(monkeypatch: pytest.MonkeyPatch, app: Celery) -> None:
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    use_celery(monkeypatch, app)
    message = only(checks.check_celery(), "visualsnoop.W003")
    assert "CELERY_BROKER_URL = " in (message.hint or "")
    assert "python manage.py visualsnoop_sync" in (message.hint or "")


def test_eager_tasks_need_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("project", set_as_current=False)
    app.conf.task_always_eager = True
    use_celery(monkeypatch, app)
    assert checks.check_celery() == []


def test_a_project_without_indexed_models_needs_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    use_celery(monkeypatch, fallback())
    monkeypatch.setattr(checks, "all_indexed_fields", list)
    assert checks.check_celery() == []


def deployment(*databases: str) -> list[CheckMessage]:
    found = run_checks(include_deployment_checks=True, databases=databases)
    # What SQLite would like to have is said of every project, this one included.
    return [
        message
        for message in found
        if str(message.id).startswith("visualsnoop") and message.id != "visualsnoop.I020"
    ]


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_w004() -> None:
    with database_down("other"):
        # As its turn comes: Django's own checks of some databases do not survive it.
        message = only(checks.check_health(databases=["other"]), "visualsnoop.W004")
    assert "'other' does not answer" in message.msg


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_w005() -> None:
    with tables_gone("other"):
        message = only(deployment("default", "other"), "visualsnoop.W005")
    assert "migrate visualsnoop --database other" in (message.hint or "")


@pytest.mark.django_db
def test_w006() -> None:
    assert deployment("default") == []
    records(1, due_at=ago(3600))
    message = only(deployment("default"), "visualsnoop.W006")
    assert "visualsnoop_sync --database default" in (message.hint or "")


@pytest.mark.django_db
@pytest.mark.parametrize("code", NOT_THE_PICTURES)
def test_w007(code: str) -> None:
    failing(1, code, requested_at=ago(3600))
    assert f"({code})" in only(deployment("default"), "visualsnoop.W007").msg


def celery(monkeypatch: pytest.MonkeyPatch, broker: str, **conf: object) -> list[CheckMessage]:
    """Check a Celery app of this broker and settings."""
    app = Celery("tests", broker=broker, set_as_current=False)
    app.conf.update(conf)
    use_celery(monkeypatch, app)
    return checks.check_celery()


def test_w010(monkeypatch: pytest.MonkeyPatch) -> None:
    message = only(celery(monkeypatch, "memory://"), "visualsnoop.W010")
    assert f'"task": "{checks.SWEEPER}"' in (message.hint or "")
    other = {"beat_schedule": {"any": {"task": "django_visualsnoop.audit", "schedule": 60.0}}}
    assert ids(celery(monkeypatch, "memory://", **other)) == ["visualsnoop.W010"]
    assert celery(monkeypatch, "memory://", **SWEPT) == []
    scheduler = {"beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler"}
    assert celery(monkeypatch, "memory://", **scheduler) == []


@pytest.mark.parametrize(
    ("broker", "module", "package"),
    [
        ("redis://localhost:6379/0", "redis", "celery[redis]"),
        ("rediss://:secret@localhost/0", "redis", "celery[redis]"),
        ("sentinel://localhost;sentinel://other", "redis", "celery[redis]"),
        ("sqs://", "boto3", "celery[sqs]"),
        ("sqla+sqlite:///celery.sqlite3", "sqlalchemy", "celery[sqlalchemy]"),
        ("azureservicebus://key@queue", "azure.servicebus", "kombu[azureservicebus]"),
    ],
)
def test_w011(monkeypatch: pytest.MonkeyPatch, broker: str, module: str, package: str) -> None:
    def find_spec(name: str) -> object | None:
        return None if name == module else util.find_spec(name)

    monkeypatch.setattr(celery_app, "find_spec", find_spec)
    message = only(celery(monkeypatch, broker, **SWEPT), "visualsnoop.W011")
    assert f"needs the Python module {module}" in message.msg
    assert message.hint == f'Type: python -m pip install "{package}"'
    assert "secret" not in repr(message)


def test_a_broker_that_celery_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    message = only(celery(monkeypatch, "carrier-pigeon://loft", **SWEPT), "visualsnoop.W011")
    assert "Celery does not support the broker carrier-pigeon://" in message.msg


@pytest.mark.django_db
def test_w012() -> None:
    assert deployment("default") == []  # nothing was ever requested
    records(1, due_at=None)
    message = only(deployment("default"), "visualsnoop.W012")
    assert message.msg == "The sweeper has never run for the database 'default'."
    SweepRun.objects.create(started_at=ago(3600))
    assert deployment("default") == []
    SweepRun.objects.update(started_at=ago(86_400 * 2))
    assert "started 48 h" in only(deployment("default"), "visualsnoop.W012").msg


@pytest.mark.django_db
def test_the_database_is_asked_only_if_it_is_named(django_assert_num_queries: Any) -> None:
    records(1, due_at=ago(3600))
    with django_assert_num_queries(0):
        assert deployment() == []
        found = run_checks(include_deployment_checks=True, tags=[checks.TAG])
        assert set(ids(found)) <= {"visualsnoop.I020"}
        assert ids(run_checks(databases=["default"], tags=[checks.TAG])) == []
        assert checks.check_health() == []


def test_e020(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert database_checks.check_upsert() == []
    monkeypatch.setattr(connections["other"].features, "supports_update_conflicts", False)
    message = only(database_checks.check_upsert(), "visualsnoop.E020")
    assert "'other'" in message.msg
    assert "SQLite, PostgreSQL, MariaDB or MySQL" in (message.hint or "")
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert database_checks.check_upsert() == []


@pytest.mark.parametrize(
    ("options", "lacks"),
    [
        ({}, "transaction_mode and timeout and a write-ahead log"),
        ({"transaction_mode": "IMMEDIATE"}, "timeout and a write-ahead log"),
        ({"timeout": 30, "init_command": "PRAGMA journal_mode=wal;"}, "transaction_mode"),
    ],
)
def test_i020(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], lacks: str) -> None:
    use_sqlite(monkeypatch, options)
    message = only(database_checks.check_sqlite(), "visualsnoop.I020")
    assert not message.is_serious(WARNING)
    assert f"does not set {lacks}" in message.msg
    assert '"transaction_mode": "IMMEDIATE"' in (message.hint or "")
    # What the hint says is enough.
    suggested = (message.hint or "").partition(" = ")[2]
    use_sqlite(monkeypatch, ast.literal_eval(suggested))
    assert database_checks.check_sqlite() == []


def use_sqlite(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    sqlite = SQLiteWrapper({"NAME": "db.sqlite3", "OPTIONS": options}, "default")
    monkeypatch.setattr(database_checks, "_with_records", lambda: [("default", sqlite)])


@pytest.mark.django_db
def test_w020() -> None:
    with sync_paused():
        Product.objects.create(photo="a.png")
    message = only(deployment("default"), "visualsnoop.W020")
    assert "1 of testapp.Product.photo" in message.msg
    assert "visualsnoop_reindex testapp.Product --missing --database default" in (
        message.hint or ""
    )


class Published(models.Manager[Any]):
    pass


class RowsQuerySet(models.QuerySet[Any]):
    pass


class Rows(models.Manager.from_queryset(RowsQuerySet)):  # type: ignore[misc]
    pass


SEARCHABLE = "with class Searchable(VisualSnoopQuerySet, RowsQuerySet): pass"


@isolate_apps("tests.testapp")
@pytest.mark.parametrize(
    ("manager", "hint"),
    [
        (models.Manager(), "models.Manager.from_queryset(VisualSnoopQuerySet)()"),
        (Published(), "Published.from_queryset(VisualSnoopQuerySet)()"),
        (
            RowsQuerySet.as_manager(),
            f"models.Manager.from_queryset(Searchable)(), {SEARCHABLE}",
        ),
        (
            Rows(),
            f"Rows.from_queryset(Searchable)(), {SEARCHABLE}",
        ),
    ],
)
def test_w021(manager: Any, hint: str) -> None:
    model = indexed(objects=manager)
    message = only(check_model(model), "visualsnoop.W021")
    assert "'objects' has no similar_to()" in message.msg
    assert message.hint == f"In Thing, write objects = {hint}"
    child: Any = type("Child", (model,), {"__module__": "tests.testapp.models"})
    assert ids(check_model(child)) == []


@isolate_apps("tests.testapp")
def test_w021_of_a_default_manager_and_of_a_proxy() -> None:
    first = indexed(published=Published(), objects=VisualSnoopManager())
    assert "'published'" in only(check_model(first), "visualsnoop.W021").msg
    beside = type(
        "Beside",
        (VisualSnoopMixin, models.Model),
        {
            "__module__": "tests.testapp.models",
            "photo": models.ImageField(),
            "objects": VisualSnoopManager(),
            "plain": models.Manager(),
        },
    )
    assert ids(check_model(beside)) == []
    proxy = type(
        "Proxy",
        (beside,),
        {
            "__module__": "tests.testapp.models",
            "objects": models.Manager(),
            "Meta": type("Meta", (), {"proxy": True}),
        },
    )
    only(check_model(proxy), "visualsnoop.W021")


@isolate_apps("tests.testapp")
def test_w022() -> None:
    message = only(check_model(indexed(photo=models.FileField())), "visualsnoop.W022")
    assert "(it has a FileField: photo)" in message.msg
    assert "photo = models.ImageField(" in (message.hint or "")


@isolate_apps("tests.testapp")
def test_a_model_whose_children_have_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    base = indexed(photo=models.FileField())
    child = type(
        "Child",
        (base,),
        {"__module__": "tests.testapp.models", "scan": models.ImageField()},
    )
    monkeypatch.setattr(apps, "get_models", lambda: [base, child])
    assert ids(check_model(base)) == []


@isolate_apps("tests.testapp")
def test_a_model_that_says_that_nothing_is_indexed() -> None:
    assert ids(check_model(indexed({"fields": []}))) == []


@isolate_apps("tests.testapp")
def test_w023() -> None:
    module = {"__module__": "tests.testapp.models"}
    abstract = {**module, "Meta": type("Meta", (), {"abstract": True})}
    base = type("Base", (models.Model,), {**abstract, "objects": Rows()})
    body = {**module, "photo": models.ImageField()}
    model: Any = type("Hiding", (VisualSnoopMixin, base), dict(body))
    message = only(check_model(model), "visualsnoop.W023")
    assert "hides the manager 'objects' (Rows) of Base" in message.msg
    assert "objects = Rows.from_queryset(Searchable)()" in (message.hint or "")
    # As the hint says, in the model or in a class between.
    searchable = type("Searchable", (VisualSnoopQuerySet, RowsQuerySet), {})
    composed = Rows.from_queryset(searchable)
    right: Any = type("Right", (VisualSnoopMixin, base), {**body, "objects": composed()})
    assert ids(check_model(right)) == []
    between = type("Between", (VisualSnoopMixin, base), {**abstract, "objects": composed()})
    derived: Any = type("Derived", (between,), {**module, "photo": models.ImageField()})
    assert ids(check_model(derived)) == []
    # A plain manager has nothing to hide.
    plain = type("Plain", (models.Model,), {**abstract, "objects": models.Manager()})
    over: Any = type("Over", (VisualSnoopMixin, plain), {**body, "photo": models.ImageField()})
    assert ids(check_model(over)) == []


@isolate_apps("tests.testapp")
def test_w024() -> None:
    model = indexed()
    track(model, indexed_fields(model))
    assert ids(check_model(model)) == []
    ours = model.photo  # type: ignore[attr-defined]
    model.photo = type("Wrapper", (), {})()  # type: ignore[attr-defined]
    model.photo.wrapped = ours  # type: ignore[attr-defined]
    assert ids(check_model(model)) == []  # what is assigned still comes to ours
    model.photo = ImageFileDescriptor(ours.field)  # type: ignore[attr-defined]
    message = only(check_model(model), "visualsnoop.W024")
    assert (
        "django.db.models.fields.files.ImageFileDescriptor has replaced the descriptor"
        in message.msg
    )
    assert 'before "django_visualsnoop"' in (message.hint or "")


class Elsewhere:
    """A database router that keeps everything away from ``other``."""

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
        return db != "other"


def test_a_database_that_holds_no_records_is_not_asked(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert checks.check_health(databases=["other"]) == []


def test_every_id_has_a_test_and_a_place_in_the_docs() -> None:
    import re
    from pathlib import Path

    import django_visualsnoop

    package = Path(django_visualsnoop.__file__).parent
    used = {
        found
        for path in package.rglob("*.py")
        for found in re.findall(r"visualsnoop\.([EWI]\d{3})", path.read_text())
    }
    here = vars(sys.modules[__name__])
    assert {name for name in used if f"test_{name.lower()}" not in here} == set()
    documented = (package.parent / "docs" / "checks.rst").read_text()
    assert {name for name in used if f"visualsnoop.{name}" not in documented} == set()


def test_e021(settings: Settings, tmp_path: Path) -> None:
    right = colour_model(tmp_path)
    for embedding in (right, "tests.embeddings.MEAN_COLOUR"):
        settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
        assert checks.check_collections() == []
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": replace(right, size=9)}}}
    message = only(checks.check_collections(), "visualsnoop.E021")
    assert "does not accept 1 x 3 x 9 x 9 values" in message.msg
    assert "size, mean and std" in (message.hint or "")
    (tmp_path / "text.onnx").write_text("no model")
    text = replace(right, path=tmp_path / "text.onnx")
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": text}}}
    assert "is not an ONNX file" in only(checks.check_collections(), "visualsnoop.E021").msg
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": "tests.embeddings.BROKEN"}}}
    assert "ZeroDivisionError" in only(checks.check_collections(), "visualsnoop.E021").msg


def test_a_check_keeps_no_model_in_memory(settings: Settings, tmp_path: Path) -> None:
    embedding = colour_model(tmp_path, "kept")
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
    assert checks.check_collections() == []
    assert str(embedding.path) not in onnx._loaded._sessions
