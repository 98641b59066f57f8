"""Views that a project may put into its urls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_visualsnoop.common.non_atomic import without_atomic_requests
from django_visualsnoop.health import MAX_DELAY, MIN_ATTEMPTS
from django_visualsnoop.health import health as look

if TYPE_CHECKING:
    from django.http import HttpRequest


# Under ATOMIC_REQUESTS, a database that is down would raise before the view is called.
@without_atomic_requests
@require_safe
@never_cache
@login_not_required
def health(
    request: HttpRequest,  # noqa: ARG001 -- Django's
    using: str = "default",
    max_delay: float = MAX_DELAY,
    min_attempts: int = MIN_ATTEMPTS,
    max_failed: int | None = None,
) -> JsonResponse:
    """Answer 200 if nothing is down and 503 if something is, for probes over HTTP.

    Anyone may ask, so codes and counts are all that it tells; the rest is told by
    ``visualsnoop_status --check``. The arguments are those of ``health.health()``.
    """
    found = look(using, max_delay=max_delay, min_attempts=min_attempts, max_failed=max_failed)
    told = [{"code": problem.code, "count": problem.count} for problem in found.problems]
    return JsonResponse({"healthy": found.ok, "problems": told}, status=200 if found.ok else 503)
