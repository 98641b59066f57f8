"""The page of the rows that look like one row: copies first, then the most similar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.admin.cards import percent
from django_visualsnoop.admin.page import SEARCH_ERRORS, AdminPage
from django_visualsnoop.common.relation_texts import (
    RELATION,
    build_options,
    describe_relation,
    list_choice_links,
)
from django_visualsnoop.indexed.keys import read_key
from django_visualsnoop.search.similar import rank_rows

if TYPE_CHECKING:
    from django.http import HttpResponse

    from django_visualsnoop.admin.cards import Card


class SimilarPage(AdminPage):
    def show(self, object_id: str) -> HttpResponse:
        """Search, and show what was found.

        Args:
            object_id: the row's key, as it is quoted in URLs.

        Raises:
            PermissionDenied: the user may not see the row.
        """
        row = self._row(object_id)
        if not self.model_admin.has_view_permission(self.request, row):
            raise PermissionDenied
        if row is None:
            response = self.model_admin._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                self.request, self.opts, object_id
            )
            assert isinstance(response, HttpResponseRedirect)
            return response
        relations = self.request.GET.getlist(RELATION)
        limit = self.model_admin.visualsnoop_similar_limit
        try:
            options = build_options(relations, limit)
        except ValueError as error:
            return self.redirect_with_error(error, self.request.path)
        try:
            queryset = self.model_admin.get_queryset(self.request)
            found = list(rank_rows(queryset, row, options))  # type: ignore[type-var]
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, self.change_url(row))
        context = {
            "title": _("Similar to %(name)s") % {"name": row},
            "crumb": _("Similar"),
            "original": self.card(row),
            "cards": [self._found_card(other) for other in found],
            # Collections on a service may say nothing of relations.
            "choices": list_choice_links(self.request.path, relations)
            if relations or any(other.visualsnoop_relation for other in found)
            else [],
        }
        return self.render("similar.html", context)

    def _found_card(self, row: Any) -> Card:
        text = describe_relation(row.visualsnoop_relation, row.visualsnoop_difference, percent)
        return self.card(row, row.visualsnoop_similarity, relation_text=text)

    def _row(self, object_id: str) -> Any | None:
        key = unquote(object_id)
        try:
            read_key(self.opts.pk, key, self.model_admin.get_queryset(self.request).db)
        except ValidationError:
            return None
        return self.model_admin.get_object(self.request, key)
