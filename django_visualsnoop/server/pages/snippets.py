"""What to type into a program, once a key was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.server.conf import options

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_visualsnoop.server.keys import NewKey


@dataclass(frozen=True, slots=True)
class Snippet:
    title: str
    #: With the secret in it.
    code: str = field(repr=False)


def endpoint_of(request: HttpRequest) -> str:
    """Return the address of API v1, as programs write it."""
    path = options().path_prefix + reverse("visualsnoop_server:api_v1")
    return f"{request.scheme}://{request.get_host()}{path}"


@sensitive_variables()
def snippets(endpoint: str, new: NewKey) -> list[Snippet]:
    """Return code that uses a key, with its secret in it.

    Args:
        endpoint: see ``endpoint_of``.
        new: the key.
    """
    path = endpoint.partition("://")[2].partition("/")[2]
    names = {
        "endpoint": endpoint,
        "path": f"/{path}",
        "public": new.key.public_key,
        "secret": new.secret,
    }
    return [
        Snippet(_("Python"), _PYTHON % names),
        Snippet(_("Django settings"), _DJANGO % names),
        Snippet("curl", _CURL % names),
    ]


_PYTHON = """\
from django_visualsnoop.client.models import Collection

collection = Collection(
    "%(public)s",
    "%(secret)s",
    endpoint="%(endpoint)s",
)
collection.add_image("cat.jpg", "cat")
print(collection.search_images("another-cat.jpg"))"""

_DJANGO = """\
VISUALSNOOP = {
    "default": {
        "BACKEND": "django_visualsnoop.collections.http.HTTPCollection",
        "ENDPOINT": "%(endpoint)s",
        "PUBLIC_KEY": "%(public)s",
        "SECRET_KEY": "%(secret)s",
    },
}"""

_CURL = """\
SECRET='%(secret)s'
DATE=$(LC_ALL=C date -u '+%%a, %%d %%b %%Y %%H:%%M:%%S GMT')
SIGNATURE=$(printf 'POST\\n%(path)s/search\\n%%s' "$DATE" |
    openssl dgst -sha1 -hmac "$SECRET" -binary | openssl base64)
curl --header "Date: $DATE" --header 'Content-Type: image/jpeg' \\
    --header "Authorization: VSHMAC %(public)s:$SIGNATURE" \\
    --data-binary @cat.jpg %(endpoint)s/search"""
