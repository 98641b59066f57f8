"""The pages that each show one task, run from their text."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, RequestFactory, override_settings

from django_visualsnoop.exceptions import TransportError
from django_visualsnoop.testing import sync_now
from tests.collections.contract import image
from tests.docs.blocks import blocks_of
from tests.docs.test_examples import ROOT, settings_of, stand_in
from tests.fixtures import picture, product
from tests.testapp.models import Article, Product

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = pytest.mark.docs


def code_of(page: str, caption: str, number: int = 0) -> str:
    """Return the code of a page's block, with the models of the tests in the place of a shop's."""
    found = [b.code for b in blocks_of(ROOT / "docs" / page) if b.caption == caption]
    return found[number].replace("shop.models", "tests.testapp.models")


def run(page: str, caption: str, number: int = 0, **names: Any) -> dict[str, Any]:
    names = {"__name__": "tests.testapp.documented", **names}
    exec(code_of(page, caption, number), names)
    return names


@pytest.mark.django_db
def test_json_endpoint(recorder: RecorderCollection) -> None:
    search = run("json_endpoint.rst", "shop/views.py")["search_products"]

    def post(**files: bytes) -> tuple[int, Any]:
        uploads = {name: SimpleUploadedFile("a.png", content) for name, content in files.items()}
        answer = search(RequestFactory().post("/", uploads))
        return answer.status_code, json.loads(answer.content)

    found, _, _ = product(1, name="lamp"), product(1, active=False), product(2)
    sync_now()
    status, answer = post(photo=image(1))
    assert status == 200
    assert answer["products"] == [
        {
            "id": found.pk,
            "name": "lamp",
            "photo": found.photo.url,
            "relation": "copy",
            "similarity": 1.0,
        }
    ]
    assert post()[0] == 400
    assert post(photo=b"")[0] == 400
    with recorder.failing(TransportError("down")):
        assert post(photo=image(1))[0] == 503


@pytest.mark.django_db
def test_thumbnails(monkeypatch: pytest.MonkeyPatch, media: Path) -> None:
    made: list[Any] = []

    def make(file: Any, options: Any = None) -> Any:
        made.append(options)
        return mock.Mock(url=f"/small/{file.name}")

    stand_in(monkeypatch, "sorl")
    stand_in(monkeypatch, "sorl.thumbnail", get_thumbnail=make)
    stand_in(monkeypatch, "easy_thumbnails")
    stand_in(
        monkeypatch,
        "easy_thumbnails.files",
        get_thumbnailer=lambda file: mock.Mock(get_thumbnail=lambda options: make(file, options)),
    )
    article = Article.objects.create(cover=picture(1), thumbnail=picture(2, "small.png"))
    for number, name in enumerate(("ProductAdmin", "ProductAdmin", "ArticleAdmin")):
        cls = run("thumbnails.rst", "shop/admin.py", number)[name]
        url = cls(Article, admin.site).visualsnoop_thumbnail_url(article, "cover")
        assert url == (article.thumbnail.url if number == 2 else f"/small/{article.cover.name}")
    assert made == ["480x480", {"size": (480, 480)}]
    assert article.cover.url in cls(Article, admin.site).visualsnoop_thumbnail_url(
        Article(cover=article.cover), "cover"
    )


@pytest.mark.django_db
def test_a_private_storage(settings: Settings, tmp_path: Path) -> None:
    names = run("storages.rst", "shop/storages.py", __name__="documented_storages")
    views = run("storages.rst", "shop/urls.py")
    urls = ModuleType("documented_urls")
    urls.urlpatterns = views["urlpatterns"]  # type: ignore[attr-defined]
    settings.ROOT_URLCONF = urls
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, "documented_storages", PrivateStorage=names["PrivateStorage"])
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {
                "BACKEND": "documented_storages.PrivateStorage",
                "OPTIONS": {"location": tmp_path / "private"},
            },
        }
        first, second = product(1), product(1)
        assert sync_now().in_sync == 2
        assert list(Product.objects.copies_of(first)) == [second]
        url = first.photo.url
        assert b"".join(Client().get(url)) == image(1)
        for forged in (f"{url}x", url.replace("/files/", "/files/x")):
            assert Client().get(forged).status_code == 404
        first.photo.storage.delete(str(first.photo.name))
        assert Client().get(url).status_code == 404


def test_settings_of_s3() -> None:
    storages = settings_of("storages.rst")["STORAGES"]
    with override_settings(STORAGES=storages):
        pytest.importorskip("storages.backends.s3")
        from django.core.files.storage import default_storage

        options = storages["default"]["OPTIONS"]
        assert {name: getattr(default_storage, name) for name in options} == options


@pytest.mark.django_db
def test_settings_of_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "not a real one")
    written = settings_of("postgresql.rst")["DATABASES"]["default"]
    assert written["ENGINE"] == "django.db.backends.postgresql"
    if connection.vendor != "postgresql":
        return
    mine = {name: connection.settings_dict[name] for name in ("NAME", "USER", "PASSWORD", "HOST")}
    other = connection.copy()
    other.settings_dict.update({**written, **mine})
    try:
        other.ensure_connection()
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql'")
            assert cursor.fetchone() == (0,)
    finally:
        other.close()


def test_units_of_systemd(tmp_path: Path) -> None:
    pages = blocks_of(ROOT / "docs" / "deploying.rst")
    units = {block.caption: block.code for block in pages if block.language == "ini"}
    assert len(units) == 2
    for path, text in units.items():
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read_string(text)
        program, *words = unit["Service"]["ExecStart"].split()
        assert program == "/srv/mysite/venv/bin/celery"
        assert words[:3] in (["-A", "mysite", "worker"], ["-A", "mysite", "beat"])
        subprocess.run([*_CELERY, words[2], "--help"], check=True, capture_output=True)
        (tmp_path / path.rpartition("/")[2]).write_text(text.replace(program, "/bin/true"))
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    command = [analyze, "verify", "--man=no", *map(str, tmp_path.glob("*.service"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "mysite-" in line]
    assert told == [], done.stderr


_CELERY = [sys.executable, "-m", "celery"]


@pytest.mark.django_db
def test_comparing_with_hashes(
    recorder: RecorderCollection, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [product(number, name=phash) for number, phash in ((1, "a"), (1, "a"), (2, "b"))]
    rows += [product(3, name="b"), product(3, name="c")]
    sync_now()
    exec(code_of("moving.rst", "compare.py").replace('"phash"', '"name"'), {})
    keys = [row.pk for row in rows]
    assert capsys.readouterr().out.splitlines() == [
        "found by both: 1",
        f"only by the hash: {[(keys[2], keys[3])]}",
        f"only by the engine: {[(keys[3], keys[4])]}",
    ]


@pytest.mark.django_db
def test_looking_for_one_picture(
    recorder: RecorderCollection, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = product(1), product(1)
    run("not_found.rst", "state.py", product=first)
    sync_now()
    run("not_found.rst", "state.py", product=first)
    run("not_found.rst", "search.py", product=first)
    image_id = f"testapp.product.photo:{first.pk}"
    assert capsys.readouterr().out.splitlines() == [
        f"{image_id} waiting ",
        f"{image_id} in_sync ",
        "True",
        f"{second.pk} copy 1.0",
    ]
