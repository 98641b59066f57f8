"""Deleting an account with everything that belongs to it alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Count, Q

from django_visualsnoop.common.row_locks import lock_rows
from django_visualsnoop.server.content.deletion import delete_collection
from django_visualsnoop.server.models import (
    AccountSession,
    HostedCollection,
    Invitation,
    Membership,
    Organisation,
    database,
)
from django_visualsnoop.server.tenants.tenancy import (
    get_account_id,
    get_address,
    get_organisations,
    hash_address,
)
from django_visualsnoop.server.transactions import write_atomically


class CannotDelete(ValueError):  # noqa: N818
    """Something has to happen first; see ``needs_owner`` and ``is_last_admin`` of the plan."""


@dataclass(frozen=True, slots=True)
class DeletionPlan:
    """What deleting an account deletes, and what it leaves."""

    collections: list[HostedCollection]
    #: Organisations without other members, which are deleted, too.
    alone: list[Organisation]
    #: Organisations whose other members would have no owner.
    needs_owner: list[Organisation]
    #: Organisations that the user only leaves.
    left: list[Organisation]
    is_last_admin: bool

    @property
    def is_possible(self) -> bool:
        return not (self.needs_owner or self.is_last_admin)


def plan_deletion(user: Any) -> DeletionPlan:
    """Return what ``delete_account`` would do now."""
    others = ~Q(memberships__user=user)
    rows = get_organisations(user).annotate(
        others=Count("memberships", filter=others),
        other_owners=Count(
            "memberships", filter=others & Q(memberships__role=Membership.Role.OWNER)
        ),
    )
    organisations = list(rows.order_by("name", "pk"))
    return DeletionPlan(
        list(_get_collections(user).select_related("organisation").order_by("name")),
        [one for one in organisations if not one.others],
        [one for one in organisations if one.others and not one.other_owners],
        [one for one in organisations if one.other_owners],
        _is_last_admin(user),
    )


def delete_account(user: Any) -> None:
    """Delete an account, its collections with all images and files, keys, sessions and memberships.

    If it fails halfway, the account stays, and the user can try again.

    Raises:
        CannotDelete: an organisation would have members and no owner, or the server no
            administrator. Nothing was changed.
    """
    # Read before the transaction: on MariaDB, the first read decides what later ones see, and that
    # has to be the lock.
    own = list(get_organisations(user).values_list("pk", flat=True))
    write_atomically(lambda: _leave_organisations(user, own))
    while not write_atomically(lambda: _delete_empty(user)):
        for hosted in list(_get_collections(user)):
            delete_collection(hosted)


def _leave_organisations(user: Any, own: list[int]) -> None:
    # Wait for others who leave or whose role changes, in one order, so that two who delete their
    # accounts do not wait for each other.
    organisations = Organisation.objects.using(database())
    lock_rows(organisations.filter(pk__in=own).order_by("pk"))
    plan = plan_deletion(user)
    if not plan.is_possible:
        raise CannotDelete
    organisations.filter(pk__in=[one.pk for one in plan.alone]).delete()
    Membership.objects.using(database()).filter(user=user).delete()


def _delete_empty(user: Any) -> bool:
    """Delete an account without collections; return false if it has some."""
    rows = get_user_model()._default_manager.using(database()).filter(pk=user.pk)
    lock_rows(rows)  # a concurrent request that creates a collection waits, and then fails
    if _get_collections(user).exists():
        return False
    address = get_address(user)
    if address:
        Invitation.objects.using(database()).filter(digest=hash_address(address)).delete()
    AccountSession.objects.using(database()).filter(account_id=get_account_id(user)).delete()
    if apps.is_installed("axes"):
        # Imported by name, because it has no types.
        import_module("axes.utils").reset(username=user.get_username())
    rows.delete()
    return True


def _get_collections(user: Any) -> Any:
    return HostedCollection.objects.using(database()).filter(owner=user)


def _is_last_admin(user: Any) -> bool:
    if not getattr(user, "is_superuser", False):
        return False
    model = get_user_model()
    others = model._default_manager.using(database()).exclude(pk=user.pk)
    return not others.filter(is_superuser=True, is_active=True).exists()
