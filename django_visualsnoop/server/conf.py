"""The setting ``VISUALSNOOP_SERVER``. It is read each time, so that tests can override it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

#: As much as the integration sends.
DEFAULT_MAX_BYTES = 20 * 1024 * 1024
DEFAULT_MAX_IMPORT_BYTES = 256 * 1024 * 1024
#: As the embedded engine's: about a million images.
DEFAULT_MEMORY = 2 * 1024**3
#: What ``Fernet.generate_key()`` gives: 32 bytes in URL-safe base64.
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The setting ``VISUALSNOOP_SERVER`` with defaults.

    Args:
        encryption_keys: Fernet keys, the newest first; empty if they come from ``SECRET_KEY``.
        path_prefix: the prefix that a proxy removes from the path that clients sign.
        allow_http: whether to answer requests over plain HTTP from other machines.
        max_bytes: the size limit of an image file.
        cache: folder for snapshots of the index; no snapshots if ``None``.
        storage: alias in ``STORAGES`` for the pictures that collections retain.
        max_import_bytes: the size limit of an imported file.
        memory: bytes that a process may keep of all collections together.
    """

    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    path_prefix: str = ""
    allow_http: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES
    cache: str | None = None
    storage: str = "default"
    max_import_bytes: int = DEFAULT_MAX_IMPORT_BYTES
    memory: int = DEFAULT_MEMORY


def get_options() -> ServerOptions:
    """Return the setting.

    Raises:
        ImproperlyConfigured: the setting is not a dict, or an option is unknown or invalid. The
            message never shows an encryption key.
    """
    given = getattr(settings, "VISUALSNOOP_SERVER", {})
    if not isinstance(given, dict):
        raise ImproperlyConfigured(
            f"VISUALSNOOP_SERVER must be a dict, not {type(given).__name__}. "
            'Example: VISUALSNOOP_SERVER = {"MAX_BYTES": 20_000_000}'
        )
    for name, value in given.items():
        if name not in _EXPECTED:
            raise ImproperlyConfigured(
                f"VISUALSNOOP_SERVER has an unknown option {name!r}. "
                f"Valid options: {', '.join(_EXPECTED)}."
            )
        if not _is_right(name, value):
            shown = "" if name == "ENCRYPTION_KEYS" else f", not {value!r}"
            raise ImproperlyConfigured(
                f'VISUALSNOOP_SERVER["{name}"] must be {_EXPECTED[name]}{shown}.'
            )
    values = {name.lower(): value for name, value in given.items()}
    if "encryption_keys" in values:
        values["encryption_keys"] = tuple(values["encryption_keys"])
    return ServerOptions(**values)


_EXPECTED = {
    "ENCRYPTION_KEYS": "a list of keys, the newest first. To create one, type: python -c "
    '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
    "PATH_PREFIX": 'a path such as "/images", with a slash at its start and none at its end',
    "ALLOW_HTTP": "True or False",
    "MAX_BYTES": "a positive integer",
    "CACHE": "the path of a folder, or None",
    "STORAGE": "an alias in STORAGES",
    "MAX_IMPORT_BYTES": "a positive integer",
    "MEMORY": "a positive number of bytes",
}


def _is_right(name: str, value: Any) -> bool:
    if name == "ENCRYPTION_KEYS":
        return isinstance(value, (list, tuple)) and all(
            isinstance(key, str) and _FERNET_KEY.fullmatch(key) for key in value
        )
    if name == "PATH_PREFIX":
        return isinstance(value, str) and (
            not value or (value.startswith("/") and not value.endswith("/"))
        )
    if name == "ALLOW_HTTP":
        return isinstance(value, bool)
    if name in ("MAX_BYTES", "MAX_IMPORT_BYTES", "MEMORY"):
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    if name == "STORAGE":
        return isinstance(value, str) and value in settings.STORAGES
    return value is None or (isinstance(value, str) and bool(value))
