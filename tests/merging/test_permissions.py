"""What a user may not do of a merge is said in words."""

from __future__ import annotations

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.models import Permission, User
from django.test import RequestFactory

from django_visualsnoop.merging import missing_permissions, plan_merge
from tests.merging.graphs import items
from tests.testapp.relations import Category, Comment, Details, Invoice, Item, Mark, Reply

pytestmark = pytest.mark.django_db


def editor(*codenames: str) -> User:
    user = User.objects.create(username=",".join(codenames))
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return user


def test_moving_needs_change_and_cascading_needs_delete() -> None:
    kept, other = items()
    other.categories.add(Category.objects.create())
    Comment.objects.create(item=other)
    for n, one in enumerate((kept, other)):
        Details.objects.create(item=one, text=str(n))
        Mark.objects.create(target=one, word="a")  # repeated
    plan = plan_merge(kept, [other])
    assert missing_permissions(plan, user=editor("view_item")) == [
        "delete items",
        "delete detailss",
        "delete marks",
        "change items",
        "change comments",
    ]
    user = editor("delete_item", "delete_details", "delete_mark", "change_item", "change_comment")
    assert missing_permissions(plan, user=user) == []


def test_filling_needs_change() -> None:
    kept, other = items()
    other.name = "Lamp"
    plan = plan_merge(kept, [other], fill=["name"])
    assert missing_permissions(plan, user=editor("delete_item")) == ["change items"]


def test_protected_rows_prevent_it() -> None:
    _, other = items()
    Invoice.objects.create(item=other)
    Reply.objects.create(comment=Comment.objects.create(item=other))
    plan = plan_merge(None, [other])
    assert missing_permissions(plan, user=editor("delete_item", "delete_comment")) == [
        "delete replys",
        "remove what is protected: Invoices: 1",
    ]


def test_a_registered_admin_decides() -> None:
    class ItemAdmin(ModelAdmin):  # type: ignore[type-arg]
        def has_delete_permission(self, request: object, obj: object = None) -> bool:
            return obj != locked

    site = AdminSite()
    site.register(Item, ItemAdmin)
    kept, locked, free = items(3)
    request = RequestFactory().get("/")
    request.user = user = editor("view_item")

    def missing(other: Item) -> list[str]:
        plan = plan_merge(kept, [other])
        return missing_permissions(plan, user=user, request=request, admin_site=site)

    assert missing(locked) == ["delete items"]
    assert missing(free) == []
