"""Models of every shape that the mixin must follow."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db import models

from django_visualsnoop.models import VisualSnoopMixin
from django_visualsnoop.querysets import VisualSnoopQuerySet
from tests.testapp import relations  # noqa: F401 -- more models


class Shop(models.Model):
    name = models.CharField(max_length=50)


class Product(VisualSnoopMixin, models.Model):
    name = models.CharField(max_length=100, blank=True)
    active = models.BooleanField(default=True)
    photo = models.ImageField(upload_to="products", blank=True)
    shop = models.ForeignKey(Shop, null=True, on_delete=models.CASCADE, related_name="products")


class FeaturedProduct(Product):
    """A proxy."""

    class Meta:
        proxy = True


class Poster(Product):
    """A child with a table of its own."""

    artist = models.CharField(max_length=100, blank=True)


class Article(VisualSnoopMixin, models.Model):
    """A UUID key and two image fields."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=100, blank=True)
    cover = models.ImageField(upload_to="covers", blank=True, null=True)
    thumbnail = models.ImageField(
        upload_to="thumbnails", blank=True, width_field="width", height_field="height"
    )
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)


class Document(VisualSnoopMixin, models.Model):
    """A string key; one of two image fields, in another collection, under ids of its own."""

    code = models.CharField(primary_key=True, max_length=150)
    scan = models.ImageField(upload_to="scans", blank=True)
    stamp = models.ImageField(upload_to="stamps", blank=True)

    class VisualSnoop:
        fields = ["scan"]
        collection = "archive"
        image_id = "scan/{pk}"


class Price(VisualSnoopMixin, models.Model):
    """A key that its column rounds."""

    code = models.DecimalField(primary_key=True, max_digits=8, decimal_places=2)
    photo = models.ImageField(upload_to="prices", blank=True)


class Tag(VisualSnoopMixin, models.Model):
    """A key that is another row's."""

    price = models.OneToOneField(Price, primary_key=True, on_delete=models.CASCADE)
    photo = models.ImageField(upload_to="tags", blank=True)


class LowerCaseField(models.CharField):  # type: ignore[type-arg]
    """A field of the project's own, which puts its values right when they are written."""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value).lower()


class Label(VisualSnoopMixin, models.Model):
    """A key of such a field."""

    slug = LowerCaseField(primary_key=True, max_length=50)
    photo = models.ImageField(upload_to="labels", blank=True)


class Moment(VisualSnoopMixin, models.Model):
    """A key that is a time."""

    at = models.DateTimeField(primary_key=True)
    photo = models.ImageField(upload_to="moments", blank=True)


class ListingQuerySet(VisualSnoopQuerySet["Listing"]):
    def published(self) -> ListingQuerySet:
        return self.filter(published=True)


class Listing(VisualSnoopMixin, models.Model):
    """A condition, and a manager of its own."""

    published = models.BooleanField(default=True)
    title = models.CharField(max_length=100, blank=True)
    photo = models.ImageField(upload_to="listings", blank=True)

    class VisualSnoop:
        condition_fields = ["published"]

    objects: ClassVar[Any] = models.Manager.from_queryset(ListingQuerySet)()

    def visualsnoop_should_index(self) -> bool:
        return self.published


class Review(models.Model):
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="reviews")
    text = models.CharField(max_length=100)


class Range(models.Model):
    name = models.CharField(max_length=50)
    products = models.ManyToManyField(Product, related_name="ranges")
