"""The page of the rows that are most similar to one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from django_visualsnoop.admin.page import SEARCH_ERRORS, AdminPage
from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.indexed.keys import read_key
from django_visualsnoop.search.similar import similar_to

if TYPE_CHECKING:
    from django.http import HttpResponse


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
        try:
            found = list(
                similar_to(
                    self.model_admin.get_queryset(self.request),  # type: ignore[type-var]
                    row,
                    SearchOptions(limit=self.model_admin.visualsnoop_similar_limit),
                )
            )
        except SEARCH_ERRORS as error:
            return self.redirect_with_error(error, self.change_url(row))
        context = {
            "title": _("Similar to %(name)s") % {"name": row},
            "crumb": _("Similar"),
            "original": self.card(row),
            "cards": [self.card(other, other.visualsnoop_similarity) for other in found],
        }
        return self.render("similar.html", context)

    def _row(self, object_id: str) -> Any | None:
        key = unquote(object_id)
        try:
            read_key(self.opts.pk, key, self.model_admin.get_queryset(self.request).db)
        except ValidationError:
            return None
        return self.model_admin.get_object(self.request, key)
