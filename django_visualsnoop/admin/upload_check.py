"""The check of the files that a request to the admin uploads; see ``uploads.forms``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.db import router

from django_visualsnoop.admin.page import url_in_admin
from django_visualsnoop.admin.pictures import field_to_show, look_at
from django_visualsnoop.indexed.keys import read_key
from django_visualsnoop.indexed.options import indexed_fields, is_indexed
from django_visualsnoop.uploads.existing import search_field
from django_visualsnoop.uploads.forms import (
    KEPT,
    REFUSE,
    WARN,
    DuplicateCheckMixin,
    ExistingPicture,
)
from django_visualsnoop.uploads.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.contrib.admin import ModelAdmin
    from django.db import models
    from django.http import HttpRequest

    from django_visualsnoop.admin.duplicate_check import DuplicateCheckAdminMixin
    from django_visualsnoop.indexed.options import IndexedField


class UploadCheck:
    """The check of one request.

    Args:
        model_admin: the admin of the page's model.
        request: the request.
    """

    def __init__(self, model_admin: DuplicateCheckAdminMixin, request: HttpRequest) -> None:
        self._admin = model_admin
        self._request = request
        self._reaction = model_admin.visualsnoop_warn_duplicates
        # All forms of the request share it.
        self._checked: list[Any] = vars(request).setdefault("_visualsnoop_checked", [])

    def has_uploads(self) -> bool:
        """Whether the request has files to check, or names files that were kept."""
        request = self._request
        if request.method != "POST" or not self._reaction:
            return False
        return bool(request.FILES) or any(name.endswith(KEPT) for name in request.POST)

    def extend_form(self, form: Any) -> Any:
        """Return a form class that checks uploads, unless it does so already or need not."""
        if not self._reaction or not is_indexed(form._meta.model):
            return form
        if issubclass(form, DuplicateCheckMixin):
            return form
        attributes = {
            "__module__": form.__module__,
            "visualsnoop_duplicates": REFUSE if self._reaction == REFUSE else WARN,
            "visualsnoop_describe": lambda _, row: self.describe(row),
            "visualsnoop_checked": self._checked,
        }
        return type(form)(form.__name__, (DuplicateCheckMixin, form), attributes)

    def describe(self, row: models.Model) -> ExistingPicture | None:
        """Return what the user may see of a row; see ``DuplicateCheckMixin``."""
        model_admin = self._admin_of(type(row))
        if model_admin is None or not model_admin.has_view_permission(self._request, row):
            return None
        if not model_admin.get_queryset(self._request).filter(pk=row.pk).exists():
            return None
        thumbnail_url = getattr(model_admin, "visualsnoop_thumbnail_url", _file_url)
        picture = look_at(row, field_to_show(row), thumbnail_url)
        url = url_in_admin(model_admin, "change", quote(row.pk))
        return ExistingPicture(str(row), url, picture.url)

    def search_ahead(self, object_id: str | None, *, in_list: bool = False) -> list[str]:
        """Search for each uploaded file, and let it keep what is found for the forms' checks.

        Args:
            object_id: the key of the page's row, as it is quoted in URLs; ``None`` for a new one.
            in_list: whether the page is the changelist, with a form for each row.

        Returns:
            The digests of the files.
        """
        digests = []
        for field, file, own in self._files(object_id, in_list):
            upload = Upload.of(file)
            digests.append(upload.digest)
            using = router.db_for_write(field.owner)
            search_field(field, upload, own=_read_own_key(field, own, using), using=using)
        return digests

    def _files(
        self, object_id: str | None, in_list: bool
    ) -> Iterator[tuple[IndexedField, Any, str | None]]:
        """Yield the uploads with their fields, and the keys of their rows as text."""
        of_page = _fields_by_name([self._admin.model])
        of_inlines = _fields_by_name([inline.model for inline in self._admin.inlines])
        of_rows = of_page if in_list else of_inlines
        for name, file in self._request.FILES.items():
            prefix, dash, last = name.rpartition("-")
            if not dash and name in of_page:
                yield of_page[name], file, None if object_id is None else unquote(object_id)
            elif dash and last in of_rows:
                field = of_rows[last]
                yield field, file, self._request.POST.get(f"{prefix}-{field.key.name}")

    def _admin_of(self, model: type[models.Model]) -> ModelAdmin[Any] | None:
        if self._admin.model._meta.concrete_model is model:
            return self._admin
        return self._admin.admin_site._registry.get(model)


def _fields_by_name(found: Iterable[type[models.Model]]) -> dict[str, IndexedField]:
    indexed = filter(is_indexed, found)
    return {field.name: field for model in indexed for field in indexed_fields(model)}


def _file_url(row: Any, field: str) -> str:
    url: str = getattr(row, field).url
    return url


def _read_own_key(field: IndexedField, text: str | None, using: str) -> Any:
    if not text:
        return None
    try:
        return read_key(field.key, text, using)
    except ValidationError:
        return None
