from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    Respond = Callable[[HttpRequest], HttpResponse]


def passing(get_response: Respond) -> Respond:
    """Change nothing, and be no class."""
    return get_response
