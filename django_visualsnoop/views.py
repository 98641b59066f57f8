"""Views that a project may add to its URLconf."""

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


# With ATOMIC_REQUESTS, an unavailable database would raise before the view is called.
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
    """Return 200 if there are no problems, and 503 otherwise, for HTTP probes.

    Anyone may request it, so it returns only codes and counts; ``visualsnoop_status --check``
    prints the messages. The arguments are those of ``health.health()``.
    """
    found = look(using, max_delay=max_delay, min_attempts=min_attempts, max_failed=max_failed)
    told = [{"code": problem.code, "count": problem.count} for problem in found.problems]
    return JsonResponse({"healthy": found.ok, "problems": told}, status=200 if found.ok else 503)
