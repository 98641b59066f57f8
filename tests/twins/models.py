"""The same models twice: as Django has them, and followed."""

from __future__ import annotations

from django.db import models

from django_visualsnoop.models import VisualSnoopMixin


class Box(models.Model):
    name = models.CharField(max_length=50)


def folder(instance: models.Model, name: str) -> str:
    """Read a foreign key, as an ordinary ``upload_to`` does."""
    box = getattr(instance, "box", None)
    return f"{instance._meta.model_name}/{box.name if box else 'none'}/{name}"


class Item(models.Model):
    name = models.CharField(max_length=100, blank=True)
    code = models.CharField(max_length=20, null=True, unique=True)
    price = models.IntegerField(default=0)
    added = models.DateField(default="2026-01-01")
    seen = models.DateTimeField(null=True)
    photo = models.ImageField(upload_to=folder, blank=True)

    class Meta:
        abstract = True


class PlainItem(Item):
    box = models.ForeignKey(Box, models.CASCADE, null=True, related_name="plain_items")
    tags: models.ManyToManyField[Box, models.Model] = models.ManyToManyField(
        Box, related_name="tagged_plain_items"
    )


class FollowedItem(VisualSnoopMixin, Item):
    box = models.ForeignKey(Box, models.CASCADE, null=True, related_name="followed_items")
    tags: models.ManyToManyField[Box, models.Model] = models.ManyToManyField(
        Box, related_name="tagged_followed_items"
    )


class PlainChild(PlainItem):
    extra = models.CharField(max_length=20, blank=True)


class FollowedChild(FollowedItem):
    extra = models.CharField(max_length=20, blank=True)


class PlainLine(models.Model):
    item = models.ForeignKey(PlainItem, models.PROTECT, related_name="lines")


class FollowedLine(models.Model):
    item = models.ForeignKey(FollowedItem, models.PROTECT, related_name="lines")
