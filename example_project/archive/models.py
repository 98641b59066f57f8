from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.urls import reverse

from django_visualsnoop.models import VisualSnoopMixin


class Photograph(VisualSnoopMixin, models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    title = models.CharField(max_length=100)
    photographer = models.CharField(max_length=100, blank=True)
    taken_on = models.DateField(null=True, blank=True)
    picture = models.ImageField(upload_to="archive")

    class Meta:
        ordering = ["title"]

    class VisualSnoop:
        collection = "archive"

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("archive:photograph", args=[self.pk])
