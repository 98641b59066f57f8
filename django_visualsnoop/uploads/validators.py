"""``NotADuplicate``: a validator that refuses pictures that are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models.fields.files import FieldFile
from django.utils.deconstruct import deconstructible
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.uploads.existing import find_existing

if TYPE_CHECKING:
    from django.db import models
    from django.utils.functional import _StrPromise

#: The code of every error and warning about a duplicate.
CODE = "visualsnoop_duplicate"


@deconstructible(path="django_visualsnoop.uploads.validators.NotADuplicate")
class NotADuplicate:
    """Refuse a picture if another row of the model has a copy of it.

    On an image field of an indexed model, it needs no arguments. On a field of a form or of a
    serializer of Django REST framework, name the model; a ``ModelSerializer`` knows it. A file that
    is stored already passes, so a change of other fields never fails.

    Args:
        model: label of the model to search, such as ``"shop.Product"``.
        field: name of the image field to search. If ``None``, the field that has the validator, or
            all indexed fields of ``model``.
        message: replaces the text of the error.
    """

    message: str | _StrPromise = _("This picture is there already.")
    #: Django REST framework then also passes the serializer's field.
    requires_context = True

    def __init__(
        self,
        model: str | None = None,
        *,
        field: str | None = None,
        message: str | _StrPromise | None = None,
    ) -> None:
        self.model = model
        self.field = field
        if message is not None:
            self.message = message

    def __call__(self, value: Any, serializer_field: Any = None) -> None:
        """Check a file.

        Raises:
            ValidationError: another row has a copy.
            ImproperlyConfigured: the validator cannot know which model to search.
        """
        own: models.Model | None = None
        model = None if self.model is None else apps.get_model(self.model)
        field = self.field
        if isinstance(value, FieldFile):
            if not value or value._committed:  # type: ignore[attr-defined]  # not in the stubs
                return
            own = value.instance
            if model is None:
                model, field = type(own), field or value.field.name
        elif serializer_field is not None:
            own = getattr(serializer_field.parent, "instance", None)
            if model is None:
                meta = getattr(serializer_field.parent, "Meta", None)
                model = getattr(meta, "model", None)
                field = field or serializer_field.source
        if model is None:
            raise ImproperlyConfigured(
                "NotADuplicate() must know which model to search, because the field does not "
                'belong to one. Example: NotADuplicate("shop.Product")'
            )
        exclude = own if own is not None and _is_same_object(own, model) else None
        if find_existing(model, value, field=field, exclude=exclude, limit=1):
            raise ValidationError(self.message, code=CODE)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NotADuplicate) and (self.model, self.field, self.message) == (
            other.model,
            other.field,
            other.message,
        )

    def __hash__(self) -> int:
        return hash((self.model, self.field))


def _is_same_object(row: Any, model: type[models.Model]) -> bool:
    """Whether a key of this row is one of the model's: of the model, a parent, a child, a proxy."""
    own: Any = getattr(row, "_meta", None)
    if own is None:  # several rows, of a serializer with many=True
        return False
    first, second = own.concrete_model, model._meta.concrete_model
    return issubclass(first, second or model) or issubclass(second or model, first)
