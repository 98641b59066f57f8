"""The models of the project under load: a followed one, and a plain one with the same fields."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from django_visualsnoop.models import VisualSnoopMixin


class Category(models.Model):
    objects: ClassVar[models.Manager[Category]]

    slug = models.SlugField()


class Note(models.Model):
    objects: ClassVar[models.Manager[Note]]

    text = models.CharField(max_length=100)


def by_category(instance: Item | PlainItem, name: str) -> str:
    """Name the file as many projects do: by a foreign key, which must be loaded for it."""
    return f"{instance._meta.model_name}/{instance.category.slug}/{name}"


class Item(VisualSnoopMixin, models.Model):
    name = models.CharField(max_length=100)
    category = models.ForeignKey(Category, models.CASCADE)
    photo = models.ImageField(upload_to=by_category)


class PlainItem(models.Model):
    name = models.CharField(max_length=100)
    category = models.ForeignKey(Category, models.CASCADE)
    photo = models.ImageField(upload_to=by_category)
