"""People who use the pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse

from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.tenants.keys import make_collection
from tests.collections.contract import image
from tests.related import related_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings

    from django_visualsnoop.server.models import HostedCollection

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _pictures(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path / "kept"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


class Browser(Client):
    """Reads whatever is sent, so that files are closed."""

    def request(self, **request: Any) -> Any:
        answer: Any = super().request(**request)
        if answer.streaming:
            answer.sent = b"".join(answer)
        return answer


@dataclass
class Person:
    """A user with a browser of their own, which is signed in."""

    user: Any
    client: Client = field(default_factory=Browser)

    def get(self, name: str, /, *args: object, **query: str) -> Any:
        return self.client.get(url(name, *args), query)

    def post(self, name: str, /, *args: object, **data: Any) -> Any:
        return self.client.post(url(name, *args), data)

    def collection(self, name: str = "Holidays", **fields: Any) -> HostedCollection:
        made = make_collection(self.user, name)
        for field_name, value in fields.items():
            setattr(made, field_name, value)
        made.save()
        return made


def url(name: str, *args: object) -> str:
    return reverse(f"visualsnoop_server:{name}", args=args)


@pytest.fixture
def related(ann: Person, shared: Path) -> HostedCollection:
    """A collection with pictures that are related to the image ``original`` in every way."""
    hosted = ann.collection("Related")
    for name, content in related_pictures(shared).items():
        add(hosted, name, content)
    return hosted


def person(name: str) -> Person:
    email = f"{name}@example.com"
    user = get_user_model().objects.create_user(email, email, PASSWORD)
    one = Person(user)
    one.client.force_login(user)
    return one


@pytest.fixture
def ann(db: None) -> Person:
    return person("ann")


@pytest.fixture
def eve(db: None) -> Person:
    """Somebody else."""
    return person("eve")


def upload(number: int, name: str | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name or f"{number}.png", image(number), "image/png")


def add(collection: HostedCollection, image_id: str, content: bytes) -> None:
    images = HostedImages(collection)
    new = images.describe(content, image_id)
    with transaction.atomic():
        images.add(new)


@pytest.fixture
def hosted(ann: Person) -> HostedCollection:
    return ann.collection()
