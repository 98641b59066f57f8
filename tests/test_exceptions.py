"""One module has every error that a project may catch."""

from __future__ import annotations

import inspect

from django_visualsnoop import exceptions
from django_visualsnoop.client import exceptions as of_the_client


def errors(module: object) -> dict[str, type]:
    return {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, of_the_client.VisualSnoopError)
    }


def test_every_error_of_the_client_is_there() -> None:
    assert errors(of_the_client).items() <= errors(exceptions).items()


def test_what_is_there_is_said_to_be() -> None:
    own = {
        name
        for name, kind in vars(exceptions).items()
        if inspect.isclass(kind) and kind.__module__.startswith("django_visualsnoop.")
    }
    assert own == set(exceptions.__all__)
