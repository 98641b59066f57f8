"""The checks of an indexed model, each named after its id."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models.fields.files import ImageFileDescriptor
from django.test.utils import isolate_apps

from django_visualsnoop.indexed.checks import check_model
from django_visualsnoop.indexed.descriptors import track
from django_visualsnoop.indexed.options import indexed_fields
from tests.checking import ids, indexed, only


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
