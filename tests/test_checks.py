"""One test per check, named after its id; here or beside the tests of its module."""

from __future__ import annotations

from importlib import util
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from django.core.checks import run_checks
from django.db import connection

from django_visualsnoop import checks
from django_visualsnoop.collections.base import BaseCollection
from django_visualsnoop.indexed.options import IndexedField, indexed_field
from django_visualsnoop.outbox import celery as celery_app
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.outbox.retry import NOT_THE_PICTURES
from django_visualsnoop.outbox.sweeps import SweepRun
from tests.checking import Elsewhere, ids, only
from tests.down import database_down, tables_gone
from tests.records import ago, failing, records
from tests.testapp.models import Article, Document, Product

if TYPE_CHECKING:
    from django.core.checks import CheckMessage
    from django.db import models
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


def all_ids() -> list[str]:
    return ids(m for m in run_checks() if str(m.id).startswith("visualsnoop"))


def test_nothing_is_wrong_with_the_test_project() -> None:
    assert all_ids() == []


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


def test_e025(settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"index": "pgvector"}}}
    if connection.vendor == "postgresql":
        assert not checks.check_collections()
    else:
        message = only(checks.check_collections(), "visualsnoop.E025")
        assert 'Remove "index" from OPTIONS' in (message.hint or "")


@pytest.mark.parametrize(
    "params",
    [
        {"OPTIONS": {"min_similarity": 2}},
        {"OPTIONS": {"index": "faiss"}},
        {"OPTIONS": {"milvus": "http://localhost:19530"}},
        {"BACKEND": HTTP, "ENDPOINT": "images.example.com", **KEYS},
        {"BACKEND": HTTP, "ENDPOINT": "https://images.example.com", "TIMEOUT": -1, **KEYS},
    ],
)
def test_e016(settings: Settings, params: dict[str, object]) -> None:
    settings.VISUALSNOOP = {"default": params}
    message = only(checks.check_collections(), "visualsnoop.E016")
    assert "s3cr3t" not in str(message)


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


@pytest.mark.django_db
def test_w020() -> None:
    with sync_paused():
        Product.objects.create(photo="a.png")
    message = only(deployment("default"), "visualsnoop.W020")
    assert "1 of testapp.Product.photo" in message.msg
    assert "visualsnoop_reindex testapp.Product --missing --database default" in (
        message.hint or ""
    )


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
    # The server's checks have ids of their own.
    files = (
        path for path in Path(__file__).parent.rglob("test_*.py") if path.parent.name != "server"
    )
    tested = {
        name
        for path in files
        for name in re.findall(r"^def test_(\w+)", path.read_text(), re.MULTILINE)
    }
    assert {name for name in used if name.lower() not in tested} == set()
    documented = (package.parent / "docs" / "checks.rst").read_text()
    assert {name for name in used if f"visualsnoop.{name}" not in documented} == set()
