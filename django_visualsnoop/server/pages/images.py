"""Pages of a collection's images: list, add, view and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import OperationalError
from django.http import FileResponse, Http404, HttpResponseNotModified
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from django_visualsnoop.client.exceptions import InvalidImageIdError
from django_visualsnoop.client.ids import MAX_IMAGE_ID_LENGTH, check_image_id
from django_visualsnoop.common.reasons import translate_reason
from django_visualsnoop.common.relation_texts import (
    RELATION,
    build_options,
    list_choice_links,
)
from django_visualsnoop.common.transactions import is_lock_error
from django_visualsnoop.engine.exceptions import DecodeError, ImageExists, ImageMissing
from django_visualsnoop.engine.storage.times import to_datetime
from django_visualsnoop.server.content import pictures
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http.errors import refuse_busy
from django_visualsnoop.server.models import StoredPicture
from django_visualsnoop.server.pages.cards import make_cards
from django_visualsnoop.server.pages.converters import ImageId
from django_visualsnoop.server.pages.rendering import (
    get_collection_or_404,
    make_access_check,
    page,
    render_collection_page,
)
from django_visualsnoop.server.pages.search import MAX_SHOWN, make_result_cards
from django_visualsnoop.server.pages.uploads import read_upload

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase


#: The number of images on one page.
PAGE_SIZE = 48


@page
@require_http_methods(["GET", "HEAD", "POST"])
def images(request: HttpRequest, collection_id: str) -> HttpResponse:
    """Show a collection's images, newest first, and add images."""
    hosted = get_collection_or_404(request, collection_id)
    failed: list[tuple[str, str]] = []
    if request.method == "POST":
        here = HostedImages(hosted, make_access_check(request, hosted))
        uploads = request.FILES.getlist("pictures")
        failed = _add_all(here, uploads) or ([] if uploads else [("", _("Choose pictures."))])
        if added := len(uploads) - len([name for name, _reason in failed if name]):
            text = ngettext("%(count)d picture added.", "%(count)d pictures added.", added)
            messages.success(request, text % {"count": added}, fail_silently=True)
        if not failed:
            return redirect("visualsnoop_server:images", hosted.pk)
    start = _parse_start(request)
    try:
        listed = HostedImages(hosted).store.read_page(start, PAGE_SIZE)
    except ImageMissing:
        raise Http404 from None
    times = {one.image_id: {"time": to_datetime(one.image_time)} for one in listed.images}
    context = {
        "cards": make_cards(hosted, times),
        "next": listed.next_image_id and ImageId().to_url(listed.next_image_id),
        "start": start,
        "failed": failed,
    }
    return render_collection_page(request, hosted, "images", context, 400 if failed else 200)


def _parse_start(request: HttpRequest) -> str | None:
    text = request.GET.get("from")
    try:
        return None if text is None else ImageId().to_python(text)
    except ValueError:
        raise Http404 from None


def _add_all(here: HostedImages, uploads: list[UploadedFile[bytes]]) -> list[tuple[str, str]]:
    """Add each picture under its file's name; return the refused files with the reasons."""
    failed = []
    for number, upload in enumerate(uploads):
        name = str(upload.name)
        try:
            image_id = check_image_id(name[:MAX_IMAGE_ID_LENGTH])
            new = here.describe(read_upload(upload), image_id)
            here.add(new)
        except ImageExists:
            failed.append((name, _("An image with this name exists already. Rename the file.")))
        except DecodeError as error:
            failed.append((name, translate_reason(error.reason, str(error))))
        except (InvalidImageIdError, Refused) as error:
            failed.append((name, str(error)))
        except OperationalError as error:  # the previous pictures are added
            if not is_lock_error(error):
                raise
            return failed + [(str(one.name), refuse_busy().message) for one in uploads[number:]]
    return failed


@page
@require_http_methods(["GET", "HEAD"])
def image(request: HttpRequest, collection_id: str, image_id: str) -> HttpResponse:
    """Show one image, and similar images in its collection."""
    hosted = get_collection_or_404(request, collection_id)
    here = HostedImages(hosted)
    stored = here.store.read_details([image_id]).get(image_id)
    if stored is None:
        raise Http404
    context: dict[str, Any] = {
        "image_id": image_id,
        "time": to_datetime(stored.image_time),
        "width": stored.width,
        "height": stored.height,
    }
    relations = request.GET.getlist(RELATION)
    try:
        options = build_options(relations, MAX_SHOWN)
    except ValueError:
        raise Http404 from None
    try:
        hits = here.search_by_id(image_id, options)
        context["results"] = make_result_cards(hosted, hits)
        if hits.hits or relations:
            context["choices"] = list_choice_links(request.path, relations)
    except ImageMissing as error:  # another version described it
        context["error"] = str(error)
    context["pictures"] = {
        stored.kind: stored for stored in pictures.get_pictures(hosted, image_id).order_by("pk")
    }
    return render_collection_page(request, hosted, "image", context)


@page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, collection_id: str, image_id: str) -> HttpResponse:
    """Delete an image after confirmation."""
    hosted = get_collection_or_404(request, collection_id)
    here = HostedImages(hosted, make_access_check(request, hosted))
    try:
        if request.method != "POST":
            here.store.get(image_id)
            shown = make_cards(hosted, [image_id])
            return render_collection_page(request, hosted, "delete_image", {"cards": shown})
        here.delete(image_id)
    except ImageMissing:
        raise Http404 from None
    text = _("The image %(id)s was deleted.") % {"id": image_id}
    messages.success(request, text, fail_silently=True)
    return redirect("visualsnoop_server:images", hosted.pk)


@page
@require_http_methods(["GET", "HEAD"])
def picture(request: HttpRequest, collection_id: str, image_id: str, kind: str) -> HttpResponseBase:
    """Send a retained picture of an image: a thumbnail to display, or an original to save."""
    hosted = get_collection_or_404(request, collection_id)
    stored = pictures.get_newest(hosted, image_id, kind)
    if stored is None:
        raise Http404
    headers = {
        "Cache-Control": "private, no-cache",
        "ETag": f'"{stored.name.rpartition("/")[2]}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return HttpResponseNotModified(headers=headers)
    try:
        HostedImages(hosted).store.get(image_id)
        file = pictures.get_storage().open(stored.name)
    except (ImageMissing, FileNotFoundError):
        raise Http404 from None
    return FileResponse(
        file,
        as_attachment=kind == StoredPicture.Kind.ORIGINAL,
        filename="".join(filter(str.isprintable, image_id.rpartition("/")[2])) or "picture",
        content_type=stored.content_type,
        headers=headers,
    )
