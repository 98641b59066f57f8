"""The checks of an indexed model's managers, each named after its id."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from django_visualsnoop.indexed.checks import check_model
from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.querysets import VisualSnoopManager, VisualSnoopQuerySet
from tests.checking import ids, indexed, only


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
