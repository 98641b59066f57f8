"""Problems that a health check tells of."""

from __future__ import annotations

from django_visualsnoop.health import CODES, Health, Problem


def only(found: Health) -> Problem:
    assert not found.ok
    (problem,) = found.problems
    assert problem.code in CODES
    assert problem.hint
    return problem
