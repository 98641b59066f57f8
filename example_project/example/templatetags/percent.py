from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def percent(similarity: float) -> str:
    """Write 0.996 as 99 %: only what is the same is a hundred."""
    return f"{int(similarity * 100)}\N{NO-BREAK SPACE}%"
