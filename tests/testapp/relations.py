"""Models that refer to each other in every way that a merge must follow."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models.functions import Lower


class Mark(models.Model):
    """Refers to rows of any model, once with each word."""

    # An app without migrations cannot have a constraint on an app with them.
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, db_constraint=False)
    object_id = models.CharField(max_length=50)
    target = GenericForeignKey()
    word = models.CharField(max_length=20)

    class Meta:
        unique_together = [("content_type", "object_id", "word")]


class Note(models.Model):
    """Refers to rows of any model that has no relation back."""

    kind = models.ForeignKey(ContentType, on_delete=models.CASCADE, db_constraint=False)
    number = models.PositiveBigIntegerField()
    target = GenericForeignKey("kind", "number")


class Category(models.Model):
    name = models.CharField(max_length=50)


class Item(models.Model):
    sku = models.CharField(max_length=20, unique=True)
    code = models.CharField(max_length=20, unique=True, null=True)
    name = models.CharField(max_length=50, blank=True)
    manual = models.FileField(upload_to="manuals", blank=True, null=True)
    photo = models.ImageField(upload_to="items", blank=True)
    seen_at = models.DateTimeField(null=True)
    main = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    categories = models.ManyToManyField(Category, related_name="items")
    friends = models.ManyToManyField("self")
    marks = GenericRelation(Mark)


class ItemProxy(Item):
    class Meta:
        proxy = True


class SpecialItem(Item):
    """A child with a table of its own."""

    artist = models.CharField(max_length=50)


class Credit(models.Model):
    """Refers to the child."""

    special = models.ForeignKey(SpecialItem, on_delete=models.CASCADE)


class Comment(models.Model):
    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    text = models.CharField(max_length=50)


class Reply(models.Model):
    """Is deleted with the row of a row."""

    comment = models.ForeignKey(Comment, on_delete=models.CASCADE)


class Offer(models.Model):
    """Refers to another unique column."""

    item = models.ForeignKey(Item, to_field="sku", on_delete=models.CASCADE)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    made_at = models.DateTimeField()


class Visit(models.Model):
    """Has no name on the other side, and stays without an item."""

    item = models.ForeignKey(Item, null=True, on_delete=models.SET_NULL, related_name="+")


class Invoice(models.Model):
    item = models.ForeignKey(Item, on_delete=models.PROTECT)


class Details(models.Model):
    item = models.OneToOneField(Item, on_delete=models.CASCADE)
    text = models.CharField(max_length=50)


class Stock(models.Model):
    """Has the item's key as its own."""

    item = models.OneToOneField(Item, primary_key=True, on_delete=models.CASCADE)
    count = models.IntegerField()


class Shelf(models.Model):
    items = models.ManyToManyField(Item, through="Place")


class Place(models.Model):
    """Links with data of their own."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)
    position = models.IntegerField(default=0)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        unique_together = [("item", "shelf")]


class Vote(models.Model):
    """Counts once for each voter, however the voter is written."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    voter = models.CharField(max_length=20)

    class Meta:
        constraints = [models.UniqueConstraint("item", Lower("voter"), name="testapp_one_vote")]


class Seat(models.Model):
    """Is taken by one item while it is active."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    number = models.IntegerField()
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "number"], condition=models.Q(active=True), name="testapp_one_seat"
            )
        ]


class Rank(models.Model):
    """Has the item as a part of its key."""

    pk = models.CompositePrimaryKey("item", "year")
    item = models.ForeignKey(Item, on_delete=models.CASCADE)
    year = models.IntegerField()
    place = models.IntegerField()


class Pair(models.Model):
    """Two items that differ, as only the database checks."""

    left = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    right = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(left=models.F("right")), name="testapp_two_items"
            )
        ]


class Board(models.Model):
    """Is deleted by the database, where Django can let it."""

    shelf = models.ForeignKey(
        Shelf, on_delete=getattr(models, "DB_CASCADE", models.CASCADE), related_name="boards"
    )
