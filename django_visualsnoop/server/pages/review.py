"""The page that reviews one group of duplicates: keep, delete, or mark as not duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.duplicates import get_last_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.review import (
    MOST_AHEAD,
    GroupChanged,
    Review,
    decide,
    make_fingerprint,
    reopen,
)
from django_visualsnoop.server.pages.converters import ImageId, parse_image_id
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    link_to_removed,
    make_access_check,
    page,
    render_collection_page,
)
from django_visualsnoop.server.pages.reviewed_images import read_groups
from django_visualsnoop.server.tenants.usage import get_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest, HttpResponse

    from django_visualsnoop.server.content.duplicates import Duplicates
    from django_visualsnoop.server.content.review import ReviewGroup
    from django_visualsnoop.server.models import HostedCollection

#: The number of images of a group that the page shows; it keeps the others.
MAX_SHOWN = 24
#: What to do with an image. The script of the page knows these values, too.
KEEP, REMOVE, APART = "keep", "remove", "apart"
CHOICES = [
    (KEEP, gettext_lazy("Keep")),
    (REMOVE, gettext_lazy("Delete")),
    (APART, gettext_lazy("Not a duplicate")),
]


@page
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, collection_id: str, image_id: str) -> HttpResponse:
    """Show the group of an image, and carry out the decision on it.

    The form has a ``shown`` for each image that the user has seen, and a ``choice-`` with what to
    do with it; ``all`` is a choice for all of them. Images are deleted after a confirmation only.
    """
    hosted = get_collection_or_404(request, collection_id)
    return _ReviewPage(request, hosted, image_id).respond()


class _ReviewPage:
    """One request for the page of one group."""

    def __init__(self, request: HttpRequest, hosted: HostedCollection, image_id: str) -> None:
        self._request = request
        self._hosted = hosted
        self._image_id = image_id
        self._images = HostedImages(hosted, make_access_check(request, hosted))
        self._found: Duplicates = get_last_duplicates(self._images, get_usage(hosted).images)
        self._review = Review(self._images, self._found)

    def respond(self) -> HttpResponse:
        group = self._review.find(self._image_id)
        if group is None:
            self._tell(messages.INFO, _("This image is no longer in a group of duplicates."))
            return redirect("visualsnoop_server:duplicates", self._hosted.pk)
        if self._request.method == "POST":
            return self._decide(group)
        if len(group.members) < 2:
            return self._show_next(group)
        return self._render(group)

    def _decide(self, group: ReviewGroup) -> HttpResponse:
        post = self._request.POST
        shown = read_shown(post.getlist("shown"))
        if "reopen" in post:
            reopen(self._images, shown)
            return self._show_again()
        choices = {image_id: self._read_choice(image_id) for image_id in shown}
        chosen = {value: [one for one in shown if choices[one] == value] for value, _ in CHOICES}
        if chosen[REMOVE] and "confirmed" not in post:
            return self._render(group, shown, choices)
        try:
            decide(
                self._images,
                shown,
                remove=chosen[REMOVE],
                apart=chosen[APART],
                keep_rest={one.image_id for one in group.members}.issubset(shown),
            )
        except GroupChanged:
            return self._tell_changed()
        done = _describe_decision(group, chosen)
        if chosen[REMOVE]:
            done = format_html("{} {}", done, link_to_removed(self._hosted, _("Take this back")))
        self._tell(messages.SUCCESS, done)
        return self._show_next(group)

    def _read_choice(self, image_id: str) -> str:
        post = self._request.POST
        value = post.get("all") or post.get(f"choice-{ImageId().to_url(image_id)}", KEEP)
        if value not in dict(CHOICES):
            raise Http404
        return value

    def _render(
        self,
        group: ReviewGroup,
        expected: Mapping[str, str] | None = None,
        choices: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Show the group; or ask for confirmation if there are choices for the expected images."""
        (shown,) = read_groups(self._images, [group.members[:MAX_SHOWN]])
        if expected is not None and {one.image_id: one.digest for one in shown} != expected:
            return self._tell_changed()
        count = len(self._found.groups)
        # Far more may be decided: then there is no link.
        before = self._review.find_open(range(group.place)[: -MOST_AHEAD - 1 : -1])
        after = self._review.find_open(range(group.place + 1, count)[:MOST_AHEAD])
        marked = [(one, KEEP if choices is None else choices[one.image_id]) for one in shown]
        context: dict[str, Any] = {
            "key": make_fingerprint({one.image_id: one.digest for one in shown}),
            "number": group.place + 1,
            "total": count,
            "found_at": self._found.found_at,
            "size": len(group.members),
            "hidden": len(group.members) - len(shown),
            "is_kept": group.is_kept,
            "members": marked,
            "removed": [one for one, choice in marked if choice == REMOVE],
            "keeps_none": all(choice == REMOVE for _one, choice in marked),
            "choices": CHOICES,
            "undo_days": get_options().undo_days,
            "image_id": self._image_id,
            "before": before and before.members[0].image_id,
            "after": after and after.members[0].image_id,
        }
        tab = "review" if choices is None else "confirm_review"
        return render_collection_page(self._request, self._hosted, tab, context)

    def _show_next(self, group: ReviewGroup) -> HttpResponse:
        following = self._review.find_next(group.place)
        if following is None:
            self._tell(messages.INFO, _("You have reviewed all groups."))
            return redirect("visualsnoop_server:duplicates", self._hosted.pk)
        image_id = following.members[0].image_id
        return redirect("visualsnoop_server:review", self._hosted.pk, image_id)

    def _show_again(self) -> HttpResponse:
        return redirect("visualsnoop_server:review", self._hosted.pk, self._image_id)

    def _tell_changed(self) -> HttpResponse:
        text = _("This group has changed meanwhile. Nothing was changed. Look at it again.")
        self._tell(messages.ERROR, text)
        return self._show_again()

    def _tell(self, level: int, text: str) -> None:
        messages.add_message(self._request, level, text, fail_silently=True)


def read_shown(texts: list[str]) -> dict[str, str]:
    """Return the digests of the images that the user has seen, by id."""
    shown = {}
    for text in texts:
        address, _separator, digest = text.partition(":")
        shown[parse_image_id(address)] = digest
    if len(shown) < 2:
        raise Http404
    return shown


def _describe_decision(group: ReviewGroup, chosen: Mapping[str, list[str]]) -> str:
    number = {"number": group.place + 1}
    if chosen[REMOVE]:
        count = len(chosen[REMOVE])
        text = ngettext(
            "Group %(number)d: %(count)d image was deleted.",
            "Group %(number)d: %(count)d images were deleted.",
            count,
        )
        return text % {**number, "count": count}
    if chosen[APART]:
        return _("Group %(number)d: marked as not duplicates.") % number
    return _("Group %(number)d: all kept.") % number
