"""Pages of organisations: the user's organisations, their members and their invitations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.models import Invitation, Membership, Organisation, database
from django_visualsnoop.server.pages.forms import MemberForm, OrganisationForm
from django_visualsnoop.server.pages.mail import count_mail, make_link, send_mail
from django_visualsnoop.server.pages.rendering import page, render_page, render_problem
from django_visualsnoop.server.tenants.tenancy import (
    get_address,
    get_invitations,
    get_visible_collections,
    hash_address,
    is_owner,
)
from django_visualsnoop.server.tenants.tenancy import get_organisations as organisations_of
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse


#: The maximum number of open invitations of an organisation, and of those that an invited user
#: sees.
MAX_INVITATIONS = 100


class Ownerless(Exception):  # noqa: N818
    """The organisation would have no owner."""


class TooManyInvitations(Exception):  # noqa: N818
    """The organisation has the maximum number of open invitations."""


@page
@require_http_methods(["GET", "HEAD", "POST"])
def organisations(request: HttpRequest) -> HttpResponse:
    """Show the user's organisations and invitations; create an organisation."""
    form = OrganisationForm(request.POST or None)
    if form.is_valid():
        assert request.user.is_authenticated
        made = write_atomically(partial(_make, form.cleaned_data["name"], request.user))
        return redirect("visualsnoop_server:organisation", made.pk)
    found = organisations_of(request.user).order_by("name", "pk")
    invited = get_invitations(request.user).select_related("organisation", "invited_by")
    context = {
        "organisations": found,
        "invitations": invited.order_by("-pk")[:MAX_INVITATIONS],
        "form": form,
    }
    return render_page(
        request, "organisations.html", context, 400 if request.method == "POST" else 200
    )


@page
@require_http_methods(["GET", "HEAD", "POST"])
def organisation(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an organisation's members and collections; let its owners invite members."""
    found = _get_organisation_or_404(request, pk)
    form = MemberForm(request.POST or None)
    if request.method == "POST":
        _require_owner(request, found)
        if form.is_valid():
            try:
                message, invited = write_atomically(
                    partial(_add, request, found, **form.cleaned_data)
                )
            except Ownerless:
                return _render_ownerless(request)
            except TooManyInvitations:
                return render_problem(
                    request,
                    409,
                    _("Too many invitations"),
                    _("An organisation can have %(most)d open invitations. Withdraw one first.")
                    % {"most": MAX_INVITATIONS},
                )
            messages.success(request, message, fail_silently=True)
            if get_options().mail and invited is not None:
                _send_invitation(request, invited)
            return redirect("visualsnoop_server:organisation", found.pk)
    members = _get_members(found).select_related("user").order_by("-role", "pk")
    context = {
        "organisation": found,
        "form": form,
        "members": members,
        "invitations": _get_invitations(found).order_by("pk"),
        "is_owner": is_owner(request.user, found.pk),
        "has_mail": get_options().mail,
        "collections": get_visible_collections(request.user)
        .filter(organisation=found)
        .order_by("name"),
    }
    return render_page(
        request, "organisation.html", context, 400 if request.method == "POST" else 200
    )


@page
@require_POST
def remove_member(request: HttpRequest, pk: int, membership: int) -> HttpResponse:
    """Remove a member, or leave the organisation."""
    found = _get_organisation_or_404(request, pk)
    member = get_object_or_404(_get_members(found), pk=membership)
    leaving = member.user_id == request.user.pk

    def work() -> None:
        _lock(request, found)
        if not leaving:
            _require_owner(request, found)
        _get_members(found).filter(pk=membership).delete()
        _require_some_owner(found)

    try:
        write_atomically(work)
    except Ownerless:
        return _render_ownerless(request)
    if leaving:
        text = _("You have left %(name)s.") % {"name": found.name}
        messages.success(request, text, fail_silently=True)
        return redirect("visualsnoop_server:organisations")
    return redirect("visualsnoop_server:organisation", found.pk)


@page
@require_POST
def withdraw(request: HttpRequest, pk: int, invitation: int) -> HttpResponse:
    """Withdraw an invitation."""
    found = _get_organisation_or_404(request, pk)

    def work() -> bool:
        _lock(request, found)
        _require_owner(request, found)
        deleted, _models = _get_invitations(found).filter(pk=invitation).delete()
        return bool(deleted)

    if write_atomically(work):
        messages.success(request, _("The invitation was withdrawn."), fail_silently=True)
    else:
        text = _("This invitation was already accepted, declined or withdrawn.")
        messages.warning(request, text, fail_silently=True)
    return redirect("visualsnoop_server:organisation", found.pk)


@page
@require_POST
def accept(request: HttpRequest, invitation: int) -> HttpResponse:
    """Accept an invitation to the user's own address."""
    rows = get_invitations(request.user).filter(pk=invitation)
    found = get_object_or_404(rows.select_related("organisation")).organisation

    def work() -> None:
        _lock_row(found)
        role = get_object_or_404(rows).role
        _delete_or_404(rows)
        assert request.user.is_authenticated
        # Users who are already members keep their role.
        _get_members(found).get_or_create(
            organisation=found, user=request.user, defaults={"role": role}
        )

    write_atomically(work)
    text = _("You are now a member of %(name)s.") % {"name": found.name}
    messages.success(request, text, fail_silently=True)
    return redirect("visualsnoop_server:organisation", found.pk)


@page
@require_POST
def decline(request: HttpRequest, invitation: int) -> HttpResponse:
    """Decline an invitation to the user's own address."""
    write_atomically(partial(_delete_or_404, get_invitations(request.user).filter(pk=invitation)))
    messages.success(request, _("The invitation was declined."), fail_silently=True)
    return redirect("visualsnoop_server:organisations")


@page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete an organisation after confirmation; its collections stay with their owners."""
    found = _get_organisation_or_404(request, pk)
    _require_owner(request, found)
    if request.method != "POST":
        return render_page(request, "delete_organisation.html", {"organisation": found})

    def work() -> None:
        _lock(request, found)
        _require_owner(request, found)
        Organisation.objects.using(database()).filter(pk=pk).delete()

    write_atomically(work)
    text = _("%(name)s was deleted. Its collections now belong only to their owners.")
    messages.success(request, text % {"name": found.name}, fail_silently=True)
    return redirect("visualsnoop_server:organisations")


def _make(name: str, owner: Any) -> Organisation:
    made = Organisation.objects.using(database()).create(name=name)
    _get_members(made).create(organisation=made, user=owner, role=Membership.Role.OWNER)
    return made


def _add(
    request: HttpRequest, found: Organisation, email: str, role: str
) -> tuple[str, Invitation | None]:
    """Change a member's role, or invite an address.

    This looks up only members' accounts, because anyone may create an organisation and ask.

    Returns:
        A message that says what changed, and the invitation, if there is one.

    Raises:
        Http404: the organisation does not exist, or the user is no longer a member.
        PermissionDenied: the user no longer owns it.
        Ownerless: it would have no owner.
        TooManyInvitations: it has too many.
    """
    _lock(request, found)
    _require_owner(request, found)
    digest = hash_address(email)
    context = {"email": email, "role": Membership.Role(role).label}
    same = [
        member.pk
        for member in _get_members(found).select_related("user")
        if hash_address(get_address(member.user)) == digest
    ]
    if same:
        _get_members(found).filter(pk__in=same).update(role=role)
        _require_some_owner(found)
        return _("%(email)s is a member already. The role is now: %(role)s.") % context, None
    invited, _created = _get_invitations(found).update_or_create(
        organisation=found,
        digest=digest,
        defaults={"email": email, "role": role, "invited_by_id": request.user.pk},
    )
    if _get_invitations(found).count() > MAX_INVITATIONS:
        raise TooManyInvitations
    return _("%(email)s was invited.") % context, invited


def _send_invitation(request: HttpRequest, invited: Invitation) -> None:
    """Send the mail of an invitation, or say why not; the invitation stays open."""
    context = {
        "organisation": invited.organisation,
        "invited_by": request.user.get_username(),
        "link": make_link(request, "invitation", {"pk": invited.pk, "email": invited.email}),
    }
    try:
        count_mail(request, invited.email)
        send_mail(request, "invitation", invited.email, context)
    except Refused as error:
        messages.warning(request, error.message, fail_silently=True)


def _delete_or_404(rows: QuerySet[Invitation]) -> None:
    deleted, _models = rows.delete()
    if not deleted:
        raise Http404


def _get_organisation_or_404(request: HttpRequest, pk: int) -> Organisation:
    found: Organisation = get_object_or_404(organisations_of(request.user), pk=pk)
    return found


def _require_owner(request: HttpRequest, found: Organisation) -> None:
    if not is_owner(request.user, found.pk):
        raise PermissionDenied(_("Only owners of the organisation may do this."))


def _get_members(found: Organisation) -> QuerySet[Membership]:
    return Membership.objects.using(database()).filter(organisation=found)


def _get_invitations(found: Organisation) -> QuerySet[Invitation]:
    return Invitation.objects.using(database()).filter(organisation=found)


def _lock(request: HttpRequest, found: Organisation) -> None:
    """Lock an organisation, so that two owners cannot leave at the same time.

    Raises:
        Http404: it does not exist, or the user is no longer a member.
    """
    _lock_row(found)
    _get_organisation_or_404(request, found.pk)


def _lock_row(found: Organisation) -> None:
    lock_rows(Organisation.objects.using(database()).filter(pk=found.pk))


def _require_some_owner(found: Organisation) -> None:
    if not _get_members(found).filter(role=Membership.Role.OWNER).exists():
        raise Ownerless


def _render_ownerless(request: HttpRequest) -> HttpResponse:
    return render_problem(
        request,
        409,
        _("An organisation needs an owner"),
        _("Make another member an owner first, or delete the organisation."),
    )
