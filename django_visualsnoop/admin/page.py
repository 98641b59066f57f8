"""What the pages of duplicates and of similar rows share: URLs, cards, messages, the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from django_visualsnoop.admin.cards import Card
from django_visualsnoop.admin.notices import TEMPLATES
from django_visualsnoop.admin.pictures import field_to_show, look_at
from django_visualsnoop.admin.troubles import plain_words

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.db.models import Model
    from django.http import HttpRequest

    from django_visualsnoop.admin.mixin import VisualSnoopAdminMixin
    from django_visualsnoop.admin.review_query import ReviewQuery
    from django_visualsnoop.review.record import ReviewGroup

#: Errors of a search that are shown as a message instead of an error page. OSError includes
#: VisualSnoopError, missing files, and storages that do not answer.
SEARCH_ERRORS = (OSError, ImproperlyConfigured, SuspiciousOperation)


def url_in_admin(model_admin: ModelAdmin[Any], name: str, *args: str) -> str:
    """Return the URL of one of the model's pages in the admin.

    Args:
        model_admin: the admin of the model.
        name: the end of the URL's name, such as ``"changelist"``.
        args: the URL's arguments, already quoted.
    """
    opts = model_admin.opts
    return reverse(
        f"admin:{opts.app_label}_{opts.model_name}_{name}",
        args=args,
        current_app=model_admin.admin_site.name,
    )


class AdminPage:
    """One request for a page.

    Args:
        model_admin: the admin of the model.
        request: the request.
    """

    def __init__(self, model_admin: VisualSnoopAdminMixin, request: HttpRequest) -> None:
        self.model_admin = model_admin
        self.request = request
        self.opts = model_admin.opts
        self.model: type[Model] = model_admin.model

    def url(self, name: str, *args: str) -> str:
        return url_in_admin(self.model_admin, name, *args)

    def change_url(self, row: Model) -> str:
        return self.url("change", quote(row.pk))

    def group_url(self, group: ReviewGroup, query: ReviewQuery) -> str:
        """Return the URL of the page that reviews one group."""
        return query.build_url(self.url("visualsnoop_review", str(group.pk)))

    def card(
        self,
        row: Any,
        similarity: float | None = None,
        matched: str | None = None,
        relation_text: str = "",
    ) -> Card:
        field = field_to_show(row, matched)
        picture = look_at(row, field, self.model_admin.visualsnoop_thumbnail_url)
        return Card(row, picture, self.change_url(row), similarity, relation_text)

    def render(self, template: str, context: dict[str, Any]) -> TemplateResponse:
        site = self.model_admin.admin_site
        self.request.current_app = site.name
        return TemplateResponse(
            self.request,
            f"{TEMPLATES}/{template}",
            {
                **site.each_context(self.request),
                "opts": self.opts,
                "media": self.model_admin.media,
                "breadcrumb_list": django.VERSION >= (6, 1),
                **context,
            },
        )

    def redirect_with_error(self, error: Exception, url: str) -> HttpResponseRedirect:
        self.model_admin.message_user(self.request, plain_words(error), messages.ERROR)
        return HttpResponseRedirect(url)
