"""``DuplicateCheckMixin``: model forms that warn of pictures that are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import router
from django.forms.formsets import DELETION_FIELD_NAME
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from django_visualsnoop.common.transactions import atomic_unless_open
from django_visualsnoop.indexed.options import IndexedField, indexed_fields
from django_visualsnoop.uploads.existing import (
    DEFAULT_LIMIT,
    fetch_rows,
    find_same_uploads,
    other_rows,
    search_field,
)
from django_visualsnoop.uploads.kept import keep_upload, restore_upload
from django_visualsnoop.uploads.locking import lock_uploads
from django_visualsnoop.uploads.upload import Upload
from django_visualsnoop.uploads.validators import CODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm

#: What a form does about a picture that is there already.
Reaction: TypeAlias = Literal["warn", "refuse"]
WARN: Literal["warn"] = "warn"
REFUSE: Literal["refuse"] = "refuse"

#: Ends of the names of hidden inputs and of the checkbox, after the name of the field.
CONFIRMED = "-visualsnoop_keep_both"
KEPT = "-visualsnoop_kept"


class DuplicateUpload(ValidationError):  # noqa: N818 -- it is also what users see
    """``save()`` found a row that another request has saved since the form was checked.

    The form has the same error, as if its check had found the row.
    """


@dataclass(frozen=True, slots=True)
class ExistingPicture:
    """A row that has the picture already, as its user may see it."""

    text: str
    #: URL of its page; empty without one.
    url: str = ""
    #: URL of a small picture; empty without one.
    picture_url: str = ""


class DuplicateCheckMixin(_ModelForm):
    """List it before ``forms.ModelForm``, for an indexed model.

    If a newly chosen file is a copy of another row's picture, the form is not valid, and says
    where the picture is. In ``"warn"`` the user may tick *Keep both* and submit again; a file of up
    to 10 MB need not be chosen again. A form without a new file is never stopped.

    ``save()`` checks again for what was saved since, in the transaction that saves the row, and may
    raise ``DuplicateUpload``.
    """

    #: ``"warn"`` or ``"refuse"``.
    visualsnoop_duplicates: Reaction = WARN
    #: The checked uploads of all forms of a request, if these share a list. An upload with the same
    #: bytes as an earlier one is then a duplicate, too.
    visualsnoop_checked: list[tuple[IndexedField, Upload]] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Fields whose kept file is gone.
        self._lost: list[IndexedField] = []
        if self.is_bound:
            self._restore_uploads()

    def visualsnoop_describe(self, row: Any) -> ExistingPicture | None:  # noqa: ARG002
        """Return what the user may see of a row that has the picture; override it.

        Args:
            row: the row.

        Returns:
            ``None`` if the user may see nothing of it: then the form only says that there is one.
        """
        return None

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # not in the stubs
        if self.visualsnoop_duplicates not in (WARN, REFUSE):
            raise ImproperlyConfigured(
                f"{type(self).__name__}.visualsnoop_duplicates must be {WARN!r} or {REFUSE!r}, "
                f"not {self.visualsnoop_duplicates!r}."
            )
        for field in self._lost:
            if field.name not in self.errors:
                self.add_error(field.name, _("The file is no longer kept. Choose it again."))
        uploads = list(self._uploads())
        for field, upload in list(self._uploads_to_check()):
            lock_uploads([upload.digest], using=self._using)
            self._add_warning(
                field, self._find(field, upload), is_repeated=self._is_repeated(field, upload)
            )
        if self.visualsnoop_checked is not None and not self.cleaned_data.get(DELETION_FIELD_NAME):
            self.visualsnoop_checked += uploads

    def save(self, commit: bool = True) -> Any:
        """Save the row, unless another request has saved the same file since the check.

        Raises:
            DuplicateUpload: it has.
        """
        uploads = list(self._uploads_to_check())
        if not commit or not uploads or self.errors:
            return super().save(commit)
        with atomic_unless_open(using=self._using):
            lock_uploads([upload.digest for _, upload in uploads], using=self._using)
            found = [(field, self._find(field, upload)) for field, upload in uploads]
            if not any(rows for _, rows in found):
                return super().save(commit)
        # After the transaction, because an error would roll back that the file is kept.
        for field, rows in found:
            self._add_warning(field, rows)
        raise DuplicateUpload([self.errors[field.name].as_data() for field, rows in found if rows])

    @property
    def _using(self) -> str:
        row = self.instance
        return row._state.db or router.db_for_write(type(row), instance=row)

    def _uploads(self) -> Iterator[tuple[IndexedField, Upload]]:
        """Yield the newly chosen files."""
        for field in indexed_fields(type(self.instance)):
            file = self.cleaned_data.get(field.name)
            if isinstance(file, UploadedFile):  # not stored, and not refused by the form
                yield field, Upload.of(file)

    def _uploads_to_check(self) -> Iterator[tuple[IndexedField, Upload]]:
        """Yield the newly chosen files that the user has not confirmed."""
        for field, upload in self._uploads():
            confirmed = self.data.get(self.add_prefix(field.name + CONFIRMED))
            if self.visualsnoop_duplicates == REFUSE or confirmed != upload.digest:
                yield field, upload

    def _own_key(self, field: IndexedField) -> Any:
        # A key that was just made, such as a UUID, is not that of a row.
        row = self.instance
        return None if row._state.adding else getattr(row, field.key.attname)

    def _find(self, field: IndexedField, upload: Upload) -> list[Any]:
        """Return the other rows with the picture."""
        own, using = self._own_key(field), self._using
        rows = other_rows(field, own=own, using=using)
        keys = search_field(field, upload, own=own, using=using)
        return fetch_rows(rows, keys + find_same_uploads(rows, upload, [field]), DEFAULT_LIMIT)

    def _is_repeated(self, field: IndexedField, upload: Upload) -> bool:
        """Return whether an earlier form of the request has the same file for the same field."""
        return any(
            known == field and other is not upload and other.digest == upload.digest
            for known, other in self.visualsnoop_checked or ()
        )

    def _add_warning(
        self, field: IndexedField, found: list[Any], *, is_repeated: bool = False
    ) -> None:
        """Add an error that says what is there already, and what the user can do."""
        if found or is_repeated:
            warning = self._warning(field, self.cleaned_data[field.name], found)
            self.add_error(field.name, ValidationError(warning, CODE))

    def _warning(self, field: IndexedField, file: UploadedFile[Any], found: list[Any]) -> str:
        shown = [one for one in map(self.visualsnoop_describe, found) if one is not None]
        token = None
        if self.visualsnoop_duplicates == WARN:
            token = keep_upload(file, using=self._using)
        if token is not None:
            self.fields[field.name].required = False  # for the browser: the file is there
        return render_to_string(
            "visualsnoop/uploads/existing.html",
            {
                "shown": shown,
                "hidden": len(found) - len(shown),
                "is_repeated": not found,
                "may_keep_both": self.visualsnoop_duplicates == WARN,
                "confirmed_name": self.add_prefix(field.name + CONFIRMED),
                "digest": Upload.of(file).digest,
                "kept_name": self.add_prefix(field.name + KEPT),
                "token": token,
                "file_name": file.name,
            },
        )

    def _restore_uploads(self) -> None:
        """Put the files that were kept at the last submit where Django looks for new ones."""
        for field in indexed_fields(type(self.instance)):
            name = self.add_prefix(field.name)
            token = self.data.get(self.add_prefix(field.name + KEPT))
            if field.name not in self.fields or not token or self.files.get(name):
                continue
            file = restore_upload(token, using=self._using)
            if file is None:
                self._lost.append(field)
            else:
                # A copy, because all forms of a formset share the files.
                self.files = self.files.copy()
                self.files[name] = file
