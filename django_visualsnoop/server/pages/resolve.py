"""Resolve all sure groups of a page of duplicates by the proposals, after a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from django_visualsnoop.common.batches import read_within
from django_visualsnoop.common.clustering import SURE
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.duplicates import get_last_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.review import GroupChanged, Review, decide
from django_visualsnoop.server.pages.converters import parse_image_id
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    link_to_removed,
    make_access_check,
    page,
    render_collection_page,
)
from django_visualsnoop.server.pages.review import MAX_SHOWN, read_shown
from django_visualsnoop.server.pages.reviewed_images import read_groups
from django_visualsnoop.server.tenants.usage import get_usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.server.content.groups import GroupMember

#: The number of groups in one confirmation: each is to be looked at.
_MOST = 10
#: How many of them are read with the same queries, and for how many seconds.
_TOGETHER, _SECONDS = 5, 5.0


def is_sure(members: Sequence[GroupMember]) -> bool:
    """Return whether a group can be resolved together with others."""
    return len(members) <= MAX_SHOWN and all(one.similarity >= SURE for one in members)


@page
@require_http_methods(["POST"])
def resolve(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show what resolving the sure groups would do; or do it, if that is ``confirmed``.

    The form of the list has a ``group`` with the id of an image for each group. That of the
    confirmation has, for each group, a ``keep-`` with the id of the image to keep, and a ``shown-``
    for each image.
    """
    hosted = get_collection_or_404(request, collection_id)
    images = HostedImages(hosted, make_access_check(request, hosted))
    if "confirmed" in request.POST:
        return _resolve(request, images)
    review = Review(images, get_last_duplicates(images, get_usage(hosted).images))
    ids = [parse_image_id(text) for text in request.POST.getlist("group")]
    groups = [one for one in review.find_all(ids) if one.is_open and is_sure(one.members)]
    found = read_within(
        [group.members for group in groups[:_MOST]],
        lambda some: read_groups(images, some),
        size=_TOGETHER,
        seconds=_SECONDS,
    )
    context = {
        "groups": [
            {"number": group.place + 1, "suffix": f"-{group.place + 1}", "images": shown}
            for group, shown in zip(groups, found, strict=False)
            if len(shown) > 1
        ],
        "left": len(groups) - len(found),
        "undo_days": get_options().undo_days,
    }
    return render_collection_page(request, hosted, "resolve", context)


def _resolve(request: HttpRequest, images: HostedImages) -> HttpResponse:
    resolved = changed = 0
    for name in request.POST:
        prefix, _separator, number = name.partition("-")
        if prefix != "keep":
            continue
        kept = parse_image_id(str(request.POST[name]))
        shown = read_shown(request.POST.getlist(f"shown-{number}"))
        if kept not in shown:
            raise Http404
        try:
            decide(images, shown, remove=[one for one in shown if one != kept])
        except GroupChanged:
            changed += 1
        else:
            resolved += 1
    hosted = images.collection
    text = ngettext("Resolved %(count)d group.", "Resolved %(count)d groups.", resolved)
    done = format_html("{} {}", text % {"count": resolved}, link_to_removed(hosted, _("Show them")))
    messages.success(request, done, fail_silently=True)
    if changed:
        text = ngettext(
            "%(count)d group was not resolved, because it has changed meanwhile.",
            "%(count)d groups were not resolved, because they have changed meanwhile.",
            changed,
        )
        messages.warning(request, text % {"count": changed}, fail_silently=True)
    return redirect("visualsnoop_server:duplicates", hosted.pk)
