"""Check the options in a setting: one rule for unknown names and for wrong values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Option(NamedTuple):
    """One option that a setting may have."""

    #: What to write, as in "must be a positive integer".
    expected: str
    is_valid: Callable[[Any], bool]
    #: Whether error messages must not contain the value.
    is_secret: bool = False


def check_options(setting: str, given: Mapping[str, Any], known: Mapping[str, Option]) -> None:
    """Check the names and the values of options.

    Args:
        setting: how to write the setting in Python, such as ``VISUALSNOOP["default"]["OPTIONS"]``.
        given: the options by name.
        known: the valid options by name.

    Raises:
        ImproperlyConfigured: an option is unknown, or its value is invalid.
    """
    for name, value in given.items():
        if name not in known:
            raise ImproperlyConfigured(
                f"{setting} has an unknown option {name!r}. Valid options: "
                f"{', '.join(sorted(known))}."
            )
        option = known[name]
        if not option.is_valid(value):
            shown = "" if option.is_secret else f", not {value!r}"
            raise ImproperlyConfigured(f'{setting}["{name}"] must be {option.expected}{shown}.')


def _is_positive_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


POSITIVE_INTEGER = Option("a positive integer", _is_positive_integer)
SHARE = Option("a number from 0 to 1", _is_share)
BOOLEAN = Option("True or False", lambda value: isinstance(value, bool))
FOLDER = Option("the path of a folder", lambda value: isinstance(value, str) and bool(value))
#: Where searches of the engine may look for candidates.
INDEXES = ("memory", "pgvector", "milvus")
INDEX = Option('"memory", "pgvector" or "milvus"', lambda value: value in INDEXES)
PGVECTOR = Option("a dict of options", lambda value: isinstance(value, dict))
MILVUS = Option(
    'a dict of options, such as {"uri": "http://localhost:19530"}',
    lambda value: isinstance(value, dict),
    is_secret=True,
)
