"""What a user may not do of a merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from django.contrib.admin.sites import AdminSite
    from django.db import models
    from django.http import HttpRequest

    from django_visualsnoop.merging.plan import MergePlan


def missing_permissions(
    plan: MergePlan,
    *,
    user: Any,
    request: HttpRequest | None = None,
    admin_site: AdminSite | None = None,
) -> list[str]:
    """Return what prevents a user from doing a merge, in words; nothing if it is allowed.

    A merge needs the permission to delete the rows and what is deleted with them, and to change
    the models whose rows move. Models that are registered with the admin site decide themselves.

    Args:
        plan: the merge.
        user: who wants it.
        request, admin_site: with both, ``ModelAdmin.has_delete_permission()`` and
            ``has_change_permission()`` are asked.
    """
    links = [one for one in plan.repeated if one.model._meta.auto_created]
    changed = {_owner(one.model): None for one in [*plan.moves, *links]}
    if plan.fill:
        changed[plan.model] = None
    gone = [*plan.deleted, *plan.repeated]
    deleted = {one.model: None for one in gone if not one.model._meta.auto_created}

    def may(action: str, model: type[models.Model], row: models.Model | None = None) -> bool:
        if admin_site is not None and request is not None and admin_site.is_registered(model):
            admin = admin_site.get_model_admin(model)
            return bool(getattr(admin, f"has_{action}_permission")(request, row))
        codename = get_permission_codename(action, model._meta)
        return bool(user.has_perm(f"{model._meta.app_label}.{codename}"))

    missing = [
        _("delete %(rows)s") % {"rows": model._meta.verbose_name_plural}
        for model in {plan.model: None, **deleted}
        if not all(
            may("delete", model, row) for row in (plan.others if model is plan.model else [None])
        )
    ]
    missing += [
        _("change %(rows)s") % {"rows": model._meta.verbose_name_plural}
        for model in changed
        if not may("change", model)
    ]
    return missing + [
        _("remove what is protected: %(rows)s") % {"rows": one} for one in plan.protected
    ]


def _owner(model: type[models.Model]) -> type[models.Model]:
    """Return the model whose field a table belongs to, if Django made the table for a field."""
    owner: Any = model._meta.auto_created
    return owner or model
