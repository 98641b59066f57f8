"""Organisations: those that one is in, and who else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from django_visualsnoop.server.models import Membership, Organisation, database
from django_visualsnoop.server.pages.answering import page, problem, shown
from django_visualsnoop.server.pages.forms import MemberForm, OrganisationForm
from django_visualsnoop.server.tenancy import organisations as organisations_of
from django_visualsnoop.server.tenancy import owns, visible

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


@page
@require_http_methods(["GET", "HEAD", "POST"])
def organisations(request: HttpRequest) -> HttpResponse:
    """Show the organisations that the user is in, and make one."""
    form = OrganisationForm(request.POST or None)
    if form.is_valid():
        assert request.user.is_authenticated
        with transaction.atomic(using=database()):
            made = Organisation.objects.using(database()).create(name=form.cleaned_data["name"])
            _members(made).create(organisation=made, user=request.user, role=Membership.Role.OWNER)
        return redirect("visualsnoop_server:organisation", made.pk)
    found = organisations_of(request.user).order_by("name", "pk")
    context = {"organisations": found, "form": form}
    return shown(request, "organisations.html", context, 400 if request.method == "POST" else 200)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def organisation(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an organisation's members and collections; its owners add members."""
    found = _organisation_or_404(request, pk)
    form = MemberForm(request.POST or None)
    if request.method == "POST":
        _require_owner(request, found)
        if form.is_valid():
            values = {"role": form.cleaned_data["role"]}
            with transaction.atomic(using=database()):
                _members(found).update_or_create(
                    organisation=found, user=form.user, defaults=values
                )
                if not _has_owner(found):
                    transaction.set_rollback(True, using=database())
                    return _ownerless(request)
            return redirect("visualsnoop_server:organisation", found.pk)
    members = _members(found).select_related("user").order_by("-role", "pk")
    context = {
        "organisation": found,
        "form": form,
        "members": members,
        "is_owner": owns(request.user, found.pk),
        "collections": visible(request.user).filter(organisation=found).order_by("name"),
    }
    return shown(request, "organisation.html", context, 400 if request.method == "POST" else 200)


@page
@require_POST
def remove_member(request: HttpRequest, pk: int, membership: int) -> HttpResponse:
    """Take a member out, or leave oneself."""
    found = _organisation_or_404(request, pk)
    member = get_object_or_404(_members(found), pk=membership)
    leaving = member.user_id == request.user.pk
    if not leaving:
        _require_owner(request, found)
    with transaction.atomic(using=database()):
        member.delete(using=database())
        if not _has_owner(found):
            transaction.set_rollback(True, using=database())
            return _ownerless(request)
    if leaving:
        text = _("You have left %(name)s.") % {"name": found.name}
        messages.success(request, text, fail_silently=True)
        return redirect("visualsnoop_server:organisations")
    return redirect("visualsnoop_server:organisation", found.pk)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete an organisation, after asking; its collections stay with their owners."""
    found = _organisation_or_404(request, pk)
    _require_owner(request, found)
    if request.method != "POST":
        return shown(request, "delete_organisation.html", {"organisation": found})
    found.delete(using=database())
    text = _("%(name)s is deleted. Its collections are their owners' alone now.")
    messages.success(request, text % {"name": found.name}, fail_silently=True)
    return redirect("visualsnoop_server:organisations")


def _organisation_or_404(request: HttpRequest, pk: int) -> Organisation:
    found: Organisation = get_object_or_404(organisations_of(request.user), pk=pk)
    return found


def _require_owner(request: HttpRequest, found: Organisation) -> None:
    if not owns(request.user, found.pk):
        raise PermissionDenied(_("Only owners of the organisation may do this."))


def _members(found: Organisation) -> QuerySet[Membership]:
    return Membership.objects.using(database()).filter(organisation=found)


def _has_owner(found: Organisation) -> bool:
    # Locked, so that two owners do not leave at once.
    Organisation.objects.using(database()).select_for_update().filter(pk=found.pk).first()
    return _members(found).filter(role=Membership.Role.OWNER).exists()


def _ownerless(request: HttpRequest) -> HttpResponse:
    return problem(
        request,
        409,
        _("An organisation needs an owner"),
        _("Make another member an owner first, or delete the organisation."),
    )
