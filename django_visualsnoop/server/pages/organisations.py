"""Organisations: those that one is in, and who else is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from django_visualsnoop.server.models import Membership, Organisation, database
from django_visualsnoop.server.pages.answering import page, problem, shown
from django_visualsnoop.server.pages.forms import MemberForm, OrganisationForm
from django_visualsnoop.server.tenancy import organisations as organisations_of
from django_visualsnoop.server.tenancy import owns, visible
from django_visualsnoop.server.writing import write_atomically

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


class Ownerless(Exception):  # noqa: N818
    """An organisation would be left without an owner."""


@page
@require_http_methods(["GET", "HEAD", "POST"])
def organisations(request: HttpRequest) -> HttpResponse:
    """Show the organisations that the user is in, and make one."""
    form = OrganisationForm(request.POST or None)
    if form.is_valid():
        assert request.user.is_authenticated
        made = write_atomically(partial(_make, form.cleaned_data["name"], request.user))
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

            def work() -> None:
                _lock(request, found)
                _require_owner(request, found)
                if form.user is not None:
                    _members(found).update_or_create(
                        organisation=found,
                        user=form.user,
                        defaults={"role": form.cleaned_data["role"]},
                    )
                    _require_some_owner(found)

            try:
                write_atomically(work)
            except Ownerless:
                return _ownerless(request)
            text = _("If an account has the address %(email)s, it is among the members now.")
            told = text % {"email": form.cleaned_data["email"]}
            messages.success(request, told, fail_silently=True)
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

    def work() -> None:
        _lock(request, found)
        if not leaving:
            _require_owner(request, found)
        _members(found).filter(pk=membership).delete()
        _require_some_owner(found)

    try:
        write_atomically(work)
    except Ownerless:
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

    def work() -> None:
        _lock(request, found)
        _require_owner(request, found)
        Organisation.objects.using(database()).filter(pk=pk).delete()

    write_atomically(work)
    text = _("%(name)s is deleted. Its collections are their owners' alone now.")
    messages.success(request, text % {"name": found.name}, fail_silently=True)
    return redirect("visualsnoop_server:organisations")


def _make(name: str, owner: Any) -> Organisation:
    made = Organisation.objects.using(database()).create(name=name)
    _members(made).create(organisation=made, user=owner, role=Membership.Role.OWNER)
    return made


def _organisation_or_404(request: HttpRequest, pk: int) -> Organisation:
    found: Organisation = get_object_or_404(organisations_of(request.user), pk=pk)
    return found


def _require_owner(request: HttpRequest, found: Organisation) -> None:
    if not owns(request.user, found.pk):
        raise PermissionDenied(_("Only owners of the organisation may do this."))


def _members(found: Organisation) -> QuerySet[Membership]:
    return Membership.objects.using(database()).filter(organisation=found)


def _lock(request: HttpRequest, found: Organisation) -> None:
    """Let nobody else change an organisation, so that two owners do not leave at once.

    Raises:
        Http404: it is gone, or the user is in it no more.
    """
    list(Organisation.objects.using(database()).select_for_update().filter(pk=found.pk))
    _organisation_or_404(request, found.pk)


def _require_some_owner(found: Organisation) -> None:
    if not _members(found).filter(role=Membership.Role.OWNER).exists():
        raise Ownerless


def _ownerless(request: HttpRequest) -> HttpResponse:
    return problem(
        request,
        409,
        _("An organisation needs an owner"),
        _("Make another member an owner first, or delete the organisation."),
    )
