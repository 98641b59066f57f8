"""Random rows that refer to each other, and all rows there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from tests.testapp import relations
from tests.testapp.relations import Category, Item, Shelf, SpecialItem

if TYPE_CHECKING:
    import random

TABLES = [
    model._meta.db_table
    for model in apps.get_models(include_auto_created=True)
    if model.__module__ == relations.__name__ and not model._meta.proxy
]


def dump() -> dict[str, list[Any]]:
    """Return all rows of the models that refer to each other, by table."""
    rows: dict[str, list[Any]] = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table}")
            rows[table] = sorted(cursor.fetchall(), key=repr)
    return rows


def make_graph(dice: random.Random) -> list[Item]:
    """Make up to six items and rows of every model that refer to some of them; return the items."""
    made: list[Item] = []
    for n in range(dice.randint(2, 6)):
        model = SpecialItem if dice.random() < 0.25 else Item
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=dice.randrange(10**9))
        made.append(
            model.objects.create(
                sku=f"sku{n}",
                code=dice.choice([None, f"code{n}"]),
                name=dice.choice(["", "Lamp", "Lämp"]),
                manual=dice.choice([None, "", f"manuals/{n}.pdf"]),
                seen_at=dice.choice([None, moment]),
                main=dice.choice([None, *made]),
            )
        )
    _relate(made, dice)
    # As the caller of a merge has them: rows of the model, not of a child.
    return list(Item.objects.order_by("pk"))


def _relate(made: list[Item], dice: random.Random) -> None:
    categories = [Category.objects.create(name=f"{n}") for n in range(3)]
    shelves = [Shelf.objects.create() for _ in range(3)]
    kind = ContentType.objects.get_for_model(Item)

    def some() -> list[Item]:
        return [one for one in made if dice.random() < 0.6]

    def rows(name: str, **values: Any) -> None:
        getattr(relations, name).objects.create(**values)

    for one in some():
        one.categories.set(dice.sample(categories, dice.randint(0, 3)))
        one.friends.add(*dice.sample(made, dice.randint(0, 2)))
    for one in some():
        rows("Comment", item=one, text="fine")
    for comment in relations.Comment.objects.all():
        if dice.random() < 0.5:
            rows("Reply", comment=comment)
    for one in some():
        rows("Offer", item=one, price=dice.randrange(100), made_at=datetime.now(UTC))
        rows("Visit", item=dice.choice([None, one]))
        rows("Note", kind=kind, number=one.pk)
    for one in some():
        rows("Details", item=one, text=dice.choice(["a", "b"]))
    for one in some():
        rows("Stock", item=one, count=dice.randint(1, 2))
    for one in some():
        rows("Vote", item=one, voter=dice.choice(["Ann", "ann", "Bob"]))
    for one in some():
        rows("Seat", item=one, number=dice.randint(1, 2), active=dice.random() < 0.7)
        rows("Place", item=one, shelf=dice.choice(shelves), position=dice.randint(0, 1))
    for one in some():
        rows("Rank", item=one, year=dice.randint(2025, 2026), place=dice.randint(1, 2))
    for _ in range(dice.randint(0, 1)):
        left, right = dice.sample(made, 2)
        rows("Pair", left=left, right=right)
    for one in some():
        rows("Mark", content_type=kind, object_id=one.pk, word=dice.choice("ab"))
    for special in SpecialItem.objects.all():
        rows("Credit", special=special)


def items(count: int = 2, prefix: str = "sku") -> list[Item]:
    return [Item.objects.create(sku=f"{prefix}{n}") for n in range(count)]
