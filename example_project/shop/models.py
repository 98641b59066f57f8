from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.urls import reverse

from django_visualsnoop.models import VisualSnoopMixin


class Product(VisualSnoopMixin, models.Model):
    name = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(0)])
    photo = models.ImageField(upload_to="products")
    active = models.BooleanField(default=True, help_text="Only active products are searchable.")

    class Meta:
        ordering = ["name"]

    class VisualSnoop:
        condition_fields = ["active"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("shop:product", args=[self.pk])

    @property
    def price_text(self) -> str:
        return f"£{self.price:.2f}"

    def visualsnoop_should_index(self) -> bool:
        return self.active
