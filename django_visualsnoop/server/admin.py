"""The admin for the operator: collections, their keys, organisations and invitations.

Superusers see all of them; other staff users see what they also see on the pages.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.server.content.deletion import delete_collection
from django_visualsnoop.server.content.pictures import delete_unwanted
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import (
    HostedCollection,
    Invitation,
    Key,
    Membership,
    Organisation,
    database,
)
from django_visualsnoop.server.pages.rendering import render_busy, render_problem
from django_visualsnoop.server.tenants.keys import NoSuchKey, explain_refusal, revoke_key
from django_visualsnoop.server.tenants.tenancy import get_organisations, get_visible_collections
from django_visualsnoop.server.transactions import lock_collection, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import QuerySet
    from django.forms import ModelForm
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    _AnyAdmin = Any
    _CollectionAdmin = admin.ModelAdmin[HostedCollection]
    _KeyAdmin = admin.ModelAdmin[Key]
    _OrganisationAdmin = admin.ModelAdmin[Organisation]
    _InvitationAdmin = admin.ModelAdmin[Invitation]
    _MembershipInline = admin.TabularInline[Membership, Organisation]
else:
    _AnyAdmin = object
    _CollectionAdmin = _KeyAdmin = _OrganisationAdmin = _InvitationAdmin = admin.ModelAdmin
    _MembershipInline = admin.TabularInline


class _Guarded(_AnyAdmin):  # type: ignore[misc]
    """Handle requests that Django's own admin views would fail on.

    A form's transaction begins with a write: Django's views read first, and SQLite may then refuse
    to let them write; see ``transactions``. Values that no database can look up are refused.
    """

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        view = super().changelist_view
        return self._respond(request, "", lambda: view(request, *args, **kwargs))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        view = super().changeform_view
        return self._respond(
            request,
            object_id,
            lambda: self._respond_atomically(request, view, object_id, *args, **kwargs),
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        view = super().delete_view
        return self._respond(
            request,
            object_id,
            lambda: self._respond_atomically(request, view, object_id, *args, **kwargs),
        )

    def history_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        view = super().history_view
        return self._respond(request, object_id, lambda: view(request, object_id, *args, **kwargs))

    def _respond_atomically(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        return write_atomically(lambda: view(request, *args, **kwargs))

    def _respond(
        self, request: HttpRequest, object_id: str | None, view: Callable[[], HttpResponseBase]
    ) -> HttpResponseBase:
        if not self._can_be_looked_up(request, object_id):
            text = _("Nothing was changed. Go back, reload the page and try again.")
            return render_problem(
                request, 400, str(_("The server cannot read the request")), str(text)
            )
        try:
            return view()
        except OperationalError as error:
            if not is_lock_error(error):
                raise
            return render_busy(request)
        except Refused as error:
            return render_problem(request, error.status, str(_("The action failed")), error.message)

    def _can_be_looked_up(self, request: HttpRequest, object_id: str | None) -> bool:
        given = [values for sent in (request.GET, request.POST) for _name, values in sent.lists()]
        if any("\0" in text for text in [object_id or "", *chain.from_iterable(given)]):
            return False
        primary_key = self.opts.pk
        try:
            for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
                primary_key.clean(text, None)
        except ValidationError:
            return False
        return True


@admin.register(HostedCollection)
class HostedCollectionAdmin(_Guarded, _CollectionAdmin):  # type: ignore[misc]
    """Admin for the limits, mainly: owners use the pages for the rest."""

    list_display = ["name", "pk", "owner", "organisation", "retention", "created"]
    list_filter = ["retention"]
    list_select_related = ["owner", "organisation"]
    search_fields = ["name", "id"]
    readonly_fields = ["pk", "created"]
    raw_id_fields = ["owner", "organisation"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django's
        """Return false: the pages and ``visualsnoop_createcollection`` add collections."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[HostedCollection]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(pk__in=get_visible_collections(request.user).values("pk"))

    def save_model(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's
        obj: HostedCollection,
        form: ModelForm[HostedCollection],
        change: bool,  # noqa: ARG002 -- Django's
    ) -> None:
        # Save only the changed fields: the owner may change the others meanwhile, or delete it.
        lock_collection(obj.pk, alone=True)
        obj.save(using=database(), update_fields=form.changed_data)
        delete_unwanted(obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """List only the collections: there may be very many keys and pictures."""
        names = [f"{hosted} ({hosted.pk})" for hosted in objs]
        refused = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return names, {str(self.opts.verbose_name_plural): len(names)}, refused, []

    def delete_model(self, request: HttpRequest, obj: HostedCollection) -> None:  # noqa: ARG002
        delete_collection(obj)

    def delete_queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 -- Django's
        queryset: QuerySet[HostedCollection],
    ) -> None:
        for hosted in queryset:
            delete_collection(hosted)


@admin.register(Key)
class KeyAdmin(_Guarded, _KeyAdmin):  # type: ignore[misc]
    """Admin for viewing and revoking keys; nobody sees their secrets."""

    list_display = ["public_key", "collection", "state", "created", "last_used_at"]
    list_select_related = ["collection"]
    search_fields = ["public_key", "collection__name", "collection__id"]
    fields = [
        "public_key",
        "collection",
        ("may_read", "may_search", "may_write"),
        "allow_v1",
        "created",
        ("not_before", "expires_at"),
        "revoked_at",
        "last_used_at",
    ]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django's
        """Return false: the collection's page makes keys, and shows each secret once."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("visualsnoop_server.change_key"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Key]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(collection__in=get_visible_collections(request.user).values("pk"))

    @admin.display(description=_("state"))
    def state(self, key: Key) -> str:
        now = timezone.now()
        if explain_refusal(key, now) is None:
            return str(_("accepted"))
        if key.revoked_at is not None:
            return str(_("revoked"))
        is_early = key.not_before is not None and now < key.not_before
        return str(_("not accepted yet") if is_early else _("expired"))

    @admin.action(description=_("Revoke the selected keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Key]) -> None:
        done = 0
        for public_key in queryset.values_list("public_key", flat=True):
            try:
                revoke_key(public_key)
            except NoSuchKey:
                continue
            done += 1
        text = ngettext("Revoked %(count)d key.", "Revoked %(count)d keys.", done)
        messages.success(request, text % {"count": done})


class MembershipInline(_MembershipInline):
    model = Membership
    raw_id_fields = ["user"]
    extra = 1


@admin.register(Organisation)
class OrganisationAdmin(_Guarded, _OrganisationAdmin):  # type: ignore[misc]
    list_display = ["name", "created"]
    search_fields = ["name"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organisation]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(pk__in=get_organisations(request.user).values("pk"))


@admin.register(Invitation)
class InvitationAdmin(_Guarded, _InvitationAdmin):  # type: ignore[misc]
    """Admin for viewing invitations, and for deleting them, which withdraws them."""

    list_display = ["email", "organisation", "role", "invited_by", "created"]
    list_select_related = ["organisation", "invited_by"]
    search_fields = ["email", "organisation__name"]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 -- Django's
        """Return false: the organisation's page adds invitations."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Invitation]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        # As on the pages, only an organisation's owners may do this.
        return rows.filter(
            organisation__memberships__user=request.user.pk,
            organisation__memberships__role=Membership.Role.OWNER,
        )
