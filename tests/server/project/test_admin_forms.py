"""Long forms to the admin, of who is signed in and of who is not."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory

from django_visualsnoop.server.project.admin_forms import limit_admin_forms


@pytest.mark.parametrize(
    ("path", "signed_in", "status"),
    [
        ("/admin/login/", False, 413),
        ("/admin/visualsnoop_server/key/", False, 413),
        ("/admin/visualsnoop_server/key/", True, 200),
        ("/collections/new/", False, 200),  # the pages have limits of their own
    ],
)
def test_only_who_is_not_signed_in_sends_short_forms_only(
    path: str, signed_in: bool, status: int
) -> None:
    request = RequestFactory().post(path, {"username": "x" * 70_000})
    request.user = get_user_model()(username="ann") if signed_in else AnonymousUser()
    answer = limit_admin_forms(lambda _: HttpResponse("seen"))(request)
    assert answer.status_code == status
    short = RequestFactory().post(path, {"username": "x"})
    short.user = request.user
    assert limit_admin_forms(lambda _: HttpResponse("seen"))(short).status_code == 200
