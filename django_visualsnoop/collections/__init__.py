"""``collections["alias"]``: the collections of the ``VISUALSNOOP`` setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.connection import BaseConnectionHandler
from django.utils.module_loading import import_string

from django_visualsnoop.exceptions import CollectionDoesNotExist

if TYPE_CHECKING:
    from django_visualsnoop.collections.base import BaseCollection

DEFAULT_COLLECTION_ALIAS = "default"
DEFAULT_BACKEND = "django_visualsnoop.collections.local.LocalCollection"


if TYPE_CHECKING:
    _Handler = BaseConnectionHandler[BaseCollection]
else:  # Django's own class takes no parameters
    _Handler = BaseConnectionHandler


class CollectionHandler(_Handler):
    """One collection object per alias and thread, created on first access."""

    settings_name = "VISUALSNOOP"
    exception_class = CollectionDoesNotExist

    def configure_settings(self, settings: dict[str, Any] | None) -> dict[str, Any]:
        if settings is None:
            settings = getattr(django_settings, self.settings_name, {})
        if not isinstance(settings, dict):
            raise ImproperlyConfigured(
                f"VISUALSNOOP must be a dict of aliases, not {type(settings).__name__}. "
                f'Example: VISUALSNOOP = {{"default": {{"BACKEND": "{DEFAULT_BACKEND}"}}}}'
            )
        return {DEFAULT_COLLECTION_ALIAS: {}, **settings}

    def params(self, alias: str) -> dict[str, Any]:
        """Return the setting of one alias with defaults, without creating the collection.

        Raises:
            CollectionDoesNotExist: the alias is not in the setting.
        """
        try:
            params = self.settings[alias]
        except KeyError:
            known = ", ".join(repr(name) for name in sorted(self.settings))
            raise CollectionDoesNotExist(
                f"VISUALSNOOP has no collection {alias!r}. "
                f"Add VISUALSNOOP[{alias!r}] to the settings, or use one of: {known}."
            ) from None
        return {"BACKEND": DEFAULT_BACKEND, "NAME": alias, "OPTIONS": {}, **params}

    def create_connection(self, alias: str) -> BaseCollection:
        params = self.params(alias)
        backend: type[BaseCollection] = import_string(params.pop("BACKEND"))
        return backend(alias, params)

    def __getitem__(self, alias: str) -> BaseCollection:
        self.params(alias)  # raises an error that tells what to type
        return super().__getitem__(alias)

    def reset(self, *, setting: str, **_: Any) -> None:
        """Reset all collections when tests override the setting."""
        if setting == self.settings_name:
            self.__dict__.pop("settings", None)
            self.__init__()  # type: ignore[misc]


collections = CollectionHandler()
setting_changed.connect(collections.reset, dispatch_uid="django_visualsnoop.collections")
