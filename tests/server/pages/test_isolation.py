"""Nothing of one collection is ever visible to others, whatever they ask."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import HostedCollection, Organisation, Retention
from django_visualsnoop.server.pages import urls
from django_visualsnoop.server.tenants.keys import get_live_keys, make_key
from django_visualsnoop.server.tenants.tenancy import hash_address
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add, person, upload, url

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

#: Pages of nobody's in particular.
OWN = {
    *("collections", "new_collection", "organisations", "password", "password_changed"),
    *("account", "address", "sessions", "end_session", "delete_account"),
}
#: Most of them take a signed link.
PUBLIC = {
    *("sign_in", "sign_out", "register", "registered", "invitation", "follow"),
    *("reset", "new_password", "confirm_address"),
}
#: What even members of the organisation may not do who own neither it nor the collection.
MANAGED = {"keys", "rotate", "revoke", "settings", "delete_collection"}
OF_OWNERS = {"delete_organisation"}
#: Buttons, without a page of their own.
POSTED = {
    *(
        "remove_member",
        "rotate",
        "unmark_not_duplicates",
        "resolve",
        "withdraw",
        "accept",
        "decline",
    )
}


def patterns(found: list[Any] = urls.urlpatterns) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


NAMES = sorted(str(one.name) for one in patterns())
FOREIGN = [name for name in NAMES if name not in OWN | PUBLIC]


@pytest.fixture
def hosted(ann: Person) -> HostedCollection:
    organisation = Organisation.objects.create(name="Anns secret society")
    organisation.memberships.create(user=ann.user, role="owner")
    digest = hash_address("secret@example.com")
    organisation.invitations.create(email="secret@example.com", digest=digest, role="member")
    made = ann.collection("Anns secrets", retention=Retention.ORIGINALS, organisation=organisation)
    for image_id in ("secret id", "secret copy"):
        add(made, image_id, image(1))
    make_key(made.pk)
    return made


def address(name: str, hosted: HostedCollection) -> str:
    """Return where the page is for this collection, image, key, organisation, invitation."""
    organisation = hosted.organisation
    assert organisation is not None
    if name in ("withdraw", "accept", "decline"):
        of_organisation = [organisation.pk] if name == "withdraw" else []
        return url(name, *of_organisation, organisation.invitations.get().pk)
    if "organisation" in name or name == "remove_member":
        of_member = (
            [organisation.memberships.order_by("pk")[0].pk] if name == "remove_member" else []
        )
        return url(name, organisation.pk, *of_member)
    more: list[str] = []
    if name in ("image", "review", "delete_image", "thumbnail", "original"):
        more = ["secret id"]
    if name in ("rotate", "revoke"):
        more = [get_live_keys(hosted.pk)[0].public_key]
    return url(name, hosted.pk, *more)


def state(hosted: HostedCollection) -> Any:
    hosted.refresh_from_db()
    return (
        hosted.name,
        HostedImages(hosted).store.count(),
        get_live_keys(hosted.pk).count(),
        Organisation.objects.get().memberships.count(),
        list(Organisation.objects.get().invitations.values_list("email", "role")),
    )


def told(answer: Any) -> str:
    """Return a page without the token of its form, which is another one each time."""
    return re.sub(r'value="\w{64}"', "", answer.text)


DATA = {"name": "Anns secrets", "retention": "nothing", "scopes": "read", "days": "0"}


@pytest.mark.parametrize("name", FOREIGN)
def test_others_see_what_is_seen_of_nothing(
    hosted: HostedCollection, eve: Person, name: str
) -> None:
    path = address(name, hosted)
    before = state(hosted)
    missing = eve.client.get(url("search", "00000000"))
    tried = [] if name in POSTED else [eve.client.get(path)]
    seen = ",".join(get_live_keys(hosted.pk).values_list("public_key", flat=True))
    files = {"picture": upload(1), "pictures": upload(2)}
    posted = eve.client.post(path, {**DATA, **files, "seen": seen, "email": eve.user.email})
    if name not in ("image", "duplicates", "thumbnail", "original"):
        tried.append(posted)
    else:
        assert posted.status_code == 405
    for answer in tried:
        assert answer.status_code == 404
        assert told(answer) == told(missing)
    assert "secret" not in posted.text
    assert state(hosted) == before


@pytest.mark.parametrize("name", [*FOREIGN, *sorted(OWN)])
def test_who_is_not_signed_in_is_asked_to(hosted: HostedCollection, name: str) -> None:
    path = url(name) if name in OWN else address(name, hosted)
    before = state(hosted)
    for answer in (Client().get(path), Client().post(path, DATA)):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(url("sign_in") + "?next=/")
        assert not answer.content
    assert state(hosted) == before


def test_lists_have_ones_own_only(hosted: HostedCollection, eve: Person) -> None:
    mine = eve.collection("Eves")
    add(mine, "eves", image(1))
    for name in ("collections", "organisations"):
        assert "secret" not in eve.get(name).text
    for name in ("search", "images", "duplicates"):
        assert "secret" not in eve.get(name, mine.pk).text
    found = eve.post("search", mine.pk, picture=upload(1)).text
    assert "1 image found" in found
    assert "secret" not in found
    shared = eve.post(
        "settings", mine.pk, name="Eves", retention="nothing", organisation=hosted.organisation_id
    )
    mine.refresh_from_db()
    assert mine.organisation is None
    assert "secret" not in shared.text


@pytest.mark.parametrize("name", FOREIGN)
def test_what_members_may_do(hosted: HostedCollection, name: str) -> None:
    bob = person("bob")
    assert hosted.organisation is not None
    bobs = hosted.organisation.memberships.create(user=bob.user)
    answer = bob.client.get(address(name, hosted))
    refused = name in MANAGED | OF_OWNERS
    assert answer.status_code == (405 if name in POSTED else 403 if refused else 200)
    if refused:
        assert get_live_keys(hosted.pk)[0].public_key not in answer.text
        before = state(hosted)
        assert bob.client.post(address(name, hosted), DATA).status_code == 403
        assert state(hosted) == before
    bobs.delete()
    if name not in POSTED:
        assert bob.client.get(address(name, hosted)).status_code == 404
