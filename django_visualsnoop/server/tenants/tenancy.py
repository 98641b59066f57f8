"""Which users may see and which may change a collection.

A collection belongs to a user. If it is shared with an organisation, the members can use it: they
search, add and delete pictures. Its owner and the organisation's owners can also make keys and
change settings.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from django_visualsnoop.server.models import (
    HostedCollection,
    Invitation,
    Membership,
    Organisation,
    database,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet


def get_visible_collections(user: Any) -> QuerySet[HostedCollection]:
    """Return the collections that a user may see; superusers do not see more."""
    return HostedCollection.objects.using(database()).filter(
        Q(owner=user) | Q(organisation__in=get_organisations(user).values("pk"))
    )


def may_manage(user: Any, collection: HostedCollection) -> bool:
    """Return whether a user may make keys, change settings and delete a collection."""
    if collection.owner_id == user.pk:
        return True
    return collection.organisation_id is not None and is_owner(user, collection.organisation_id)


def get_organisations(user: Any) -> QuerySet[Organisation]:
    """Return the organisations of a user."""
    return Organisation.objects.using(database()).filter(
        pk__in=_get_memberships().filter(user=user).values("organisation")
    )


def is_owner(user: Any, organisation_id: int) -> bool:
    """Return whether a user is one of an organisation's owners."""
    rows = _get_memberships().filter(user=user, organisation=organisation_id)
    return rows.filter(role=Membership.Role.OWNER).exists()


def get_invitations(user: Any) -> QuerySet[Invitation]:
    """Return the open invitations to the address of a user's account."""
    return Invitation.objects.using(database()).filter(digest=hash_address(get_address(user)))


def get_invitation(pk: int, email: str) -> Invitation | None:
    """Return the open invitation with this key to this address."""
    rows = Invitation.objects.using(database()).filter(pk=pk, digest=hash_address(email))
    return rows.select_related("organisation", "invited_by").first()


def get_account_id(user: Any) -> str:
    """Return the primary key of a user as text, as sessions store it."""
    text: str = user._meta.pk.value_to_string(user)
    return text


def get_address(user: Any) -> str:
    """Return the e-mail address of a user's account, or an empty string."""
    return getattr(user, user.get_email_field_name(), None) or ""


def hash_address(email: str) -> str:
    """Return the same hash for addresses that differ only in the case of ASCII letters.

    Other letters stay unchanged: "ß" and "ss", which casefold to the same, name different domains.
    """
    return hashlib.sha256(email.encode().lower()).hexdigest()


def _get_memberships() -> QuerySet[Membership]:
    return Membership.objects.using(database())
