"""Code examples for a new key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.server.conf import get_options

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_visualsnoop.server.models import Key


@dataclass(frozen=True, slots=True)
class Snippet:
    title: str
    #: Contains the secret.
    code: str = field(repr=False)


def get_endpoint(request: HttpRequest, api: str = "api_v1") -> str:
    """Return the URL of an API, ``"api_v1"`` or ``"api_v2"``, as programs use it."""
    path = get_options().path_prefix + reverse(f"visualsnoop_server:{api}")
    return f"{request.scheme}://{request.get_host()}{path}"


@sensitive_variables()
def make_snippets(endpoint: str, endpoint_v2: str, key: Key, secret: str) -> list[Snippet]:
    """Return code for what a key allows, which contains its secret.

    Args:
        endpoint, endpoint_v2: see ``get_endpoint``.
        key: the key.
        secret: its secret, or a word in place of it.
    """
    path = endpoint.partition("://")[2].partition("/")[2]
    names = {
        "endpoint": endpoint,
        "endpoint_v2": endpoint_v2,
        "path": f"/{path}",
        "public": key.public_key,
        "secret": secret,
    }
    uploads = [
        Snippet(_("Upload with Python"), _PYTHON_UPLOAD % names),
        Snippet(_("Upload with curl"), _CURL_UPLOAD % names),
        Snippet(_("Upload with JavaScript"), _JAVASCRIPT_UPLOAD % names),
    ]
    searches = [
        Snippet(_("Search with Python"), _PYTHON % names),
        Snippet(_("Search with curl"), _CURL % names),
        Snippet(_("Search with curl, API v1"), _CURL_V1 % names),
    ]
    return [
        *(uploads if key.may_write else []),
        *(searches if key.may_search else []),
        Snippet(_("Django settings"), _DJANGO % names),
    ]


_PYTHON = """\
from django_visualsnoop.client.models import Collection

collection = Collection(
    "%(public)s",
    "%(secret)s",
    endpoint="%(endpoint)s",
)
print(collection.search_images("another-cat.jpg"))"""

_PYTHON_UPLOAD = """\
from django_visualsnoop.client.models import Collection

collection = Collection(
    "%(public)s",
    "%(secret)s",
    endpoint="%(endpoint)s",
)
collection.add_image("cat.jpg", "cat")"""

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
TOKEN='%(public)s.%(secret)s'
curl --data-binary @cat.jpg --header "Authorization: Bearer $TOKEN" \\
    '%(endpoint_v2)s/search?limit=10'"""

_CURL_UPLOAD = """\
TOKEN='%(public)s.%(secret)s'
curl --upload-file cat.jpg --header "Authorization: Bearer $TOKEN" \\
    '%(endpoint_v2)s/images/cat'"""

# A key belongs on a server, not in a page: this runs under Node.js.
_JAVASCRIPT_UPLOAD = """\
import { readFile } from "node:fs/promises";

const response = await fetch("%(endpoint_v2)s/images/cat", {
  method: "PUT",
  headers: { Authorization: "Bearer %(public)s.%(secret)s" },
  body: await readFile("cat.jpg"),
});
console.log(response.status, await response.json());"""

_CURL_V1 = """\
SECRET='%(secret)s'
DATE=$(LC_ALL=C date -u '+%%a, %%d %%b %%Y %%H:%%M:%%S GMT')
SIGNATURE=$(printf 'POST\\n%(path)s/search\\n%%s' "$DATE" |
    openssl dgst -sha1 -hmac "$SECRET" -binary | openssl base64)
curl --header "Date: $DATE" --header 'Content-Type: image/jpeg' \\
    --header "Authorization: VSHMAC %(public)s:$SIGNATURE" \\
    --data-binary @cat.jpg %(endpoint)s/search"""
