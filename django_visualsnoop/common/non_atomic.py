"""Views that stay outside of ``ATOMIC_REQUESTS``, in whichever database that is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    _View = TypeVar("_View", bound=Callable[..., Any])


class _EveryAlias(set[str]):
    """Holds every alias, without asking the settings for them as a module is imported."""

    def __contains__(self, alias: object) -> bool:
        return True


def without_atomic_requests(view: _View) -> _View:
    """Let Django open no transaction around a view.

    It sets what Django's ``non_atomic_requests()`` sets, for all databases at once. Put it
    outermost, so that other decorators need not copy the attribute.
    """
    vars(view)["_non_atomic_requests"] = _EveryAlias()
    return view
