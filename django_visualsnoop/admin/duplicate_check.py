"""``DuplicateCheckAdminMixin``: forms that warn of a picture that is there already."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction

from django_visualsnoop.admin.upload_check import UploadCheck
from django_visualsnoop.uploads.forms import REFUSE
from django_visualsnoop.uploads.locking import lock_uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.admin.sites import AdminSite
    from django.db.models import Model
    from django.http import HttpRequest

    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class DuplicateCheckAdminMixin(_ModelAdmin):
    """List it before ``admin.ModelAdmin`` if the model, or that of an inline, is indexed.

    ``VisualSnoopAdminMixin`` contains it. If a newly chosen file is a copy of another row's
    picture, the form comes back with that row. It shows the row's name, picture and link if the
    user may see these: if the row's admin has it in ``get_queryset()`` and grants the permission to
    view it. A form class of your own that uses ``DuplicateCheckMixin`` decides itself.
    """

    #: What to do if a newly chosen file is a copy of another row's picture: ``True`` warns, and
    #: lets the user keep both; ``"refuse"`` does not; ``False`` checks nothing.
    visualsnoop_warn_duplicates: bool | Literal["refuse"] = True

    class Media:
        css = {"all": ["visualsnoop/admin.css"]}

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        if self.visualsnoop_warn_duplicates not in (True, False, REFUSE):
            raise ImproperlyConfigured(
                f"{type(self).__name__}.visualsnoop_warn_duplicates must be True, False or "
                f"{REFUSE!r}, not {self.visualsnoop_warn_duplicates!r}."
            )

    def get_form(
        self, request: HttpRequest, obj: Any | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return UploadCheck(self, request).extend_form(form)

    def get_formsets_with_inlines(
        self, request: HttpRequest, obj: Any | None = None
    ) -> Iterator[tuple[Any, Any]]:
        check = UploadCheck(self, request)
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            formset.form = check.extend_form(formset.form)
            yield formset, inline

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        show = partial(super().changeform_view, request, object_id, form_url, extra_context)
        return self._show_checked(request, show, object_id)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        form = super().get_changelist_form(request, **kwargs)
        return UploadCheck(self, request).extend_form(form)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        show = partial(super().changelist_view, request, extra_context)
        return self._show_checked(request, show, in_list=True)

    def _show_checked(
        self,
        request: HttpRequest,
        show: Callable[[], Any],
        object_id: str | None = None,
        *,
        in_list: bool = False,
    ) -> Any:
        """Answer, in a transaction if there are uploads to check."""
        check = UploadCheck(self, request)
        if not check.has_uploads():
            return show()
        # Searches may take long, so they come before the transaction.
        digests = check.search_ahead(object_id, in_list=in_list)
        using = router.db_for_write(self.model)
        with transaction.atomic(using=using):
            # Before Django reads, because on SQLite a transaction that has read may be unable to
            # write; and of all files at once, so that two requests lock them in the same order.
            lock_uploads(digests, using=using)
            return show()
