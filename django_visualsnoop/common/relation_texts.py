"""What pages say of the relation of a found picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_visualsnoop.common.search_options import (
    COPIES,
    COPY,
    SHOT,
    SIMILAR,
    VARIANT,
    SearchOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from django.utils.functional import _StrPromise

    from django_visualsnoop.common.search_options import Relation

#: The parameter in URLs and forms, as in the server's API; it may occur several times.
RELATION = "relation"
#: Names of the found pictures with each relation, to choose one; the empty string stands for all.
CHOICES = (
    ("", pgettext_lazy("relations", "All")),
    (COPY, gettext_lazy("Copies")),
    (VARIANT, gettext_lazy("Variants")),
    (SHOT, gettext_lazy("Other shots")),
)


def build_options(relations: Sequence[str], limit: int) -> SearchOptions:
    """Return the options of a page's search.

    Args:
        relations: the chosen relations; empty for all, and for what only looks similar.
        limit: the largest number of found pictures.

    Raises:
        ValueError: a relation does not exist.
    """
    if not relations:
        return SearchOptions(limit, kind=SIMILAR)
    return SearchOptions(limit, kind=COPIES, relations=cast("Sequence[Relation]", relations))


class ChoiceLink(NamedTuple):
    """A link to the page with the found pictures of one relation, or with all of them."""

    name: str | _StrPromise
    url: str
    is_chosen: bool


def list_choice_links(path: str, chosen: Collection[str]) -> list[ChoiceLink]:
    """Return the links of a page.

    Args:
        path: the path of the page.
        chosen: the relations of the pictures that the page shows; empty if it shows all.
    """
    return [
        ChoiceLink(
            name,
            f"{path}?{urlencode({RELATION: relation})}" if relation else path,
            relation in chosen if relation else not chosen,
        )
        for relation, name in CHOICES
    ]


def describe_relation(
    relation: str | None, difference: float | None, percent: Callable[[float], str]
) -> str:
    """Return a relation in plain words, or an empty text if it is unknown.

    The share that differs says nothing of a copy, which has other colours all over, or of another
    shot, so only the text of a variant contains it.

    Args:
        relation: one of ``RELATIONS``, or ``SIMILAR``; ``None`` if it is unknown.
        difference: 0 to 1, the share that differs; ``None`` if it is unknown.
        percent: returns a share as text.
    """
    if relation == COPY:
        return _("Copy")
    if relation == SHOT:
        return _("Another shot")
    if relation == SIMILAR:
        return _("Looks similar")
    if relation != VARIANT:
        return ""
    if difference is None:
        return _("Variant")
    # A part of a variant differs, even if it is less than one percent.
    return _("Variant: %(percent)s differs") % {"percent": percent(max(0.01, difference))}
