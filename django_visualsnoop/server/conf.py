"""The setting ``VISUALSNOOP_SERVER``. The server reads it each time, so tests can override it."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.common.options import (
    BOOLEAN,
    FOLDER,
    INDEX,
    MILVUS,
    PGVECTOR,
    POSITIVE_INTEGER,
    Option,
    check_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The same limit as in the integration.
DEFAULT_MAX_BYTES = 20 * 1024 * 1024
DEFAULT_MAX_IMPORT_BYTES = 256 * 1024 * 1024
#: The same limit as in the embedded engine: about a million images.
DEFAULT_MEMORY = 2 * 1024**3
#: Some ten thousand answers.
DEFAULT_ANSWER_MEMORY = 16 * 1024**2
REGISTRATIONS = ("off", "invitation", "open")
#: The format of ``Fernet.generate_key()``: 32 bytes in URL-safe base64.
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
        answer_memory: bytes that a process may keep of answers to searches; 0 for none.
        capture_times: whether to use the times at which cameras took pictures.
        embedding: whether to compute embeddings, with which searches find similar images.
        mail: whether to send mails: invitations, and links for new passwords and addresses.
        registration: who may create an account on the pages: ``"off"`` (nobody),
            ``"invitation"`` (whom an organisation has invited) or ``"open"``.
        index: where searches look for candidates: ``"memory"`` of each process, ``"pgvector"`` or
            ``"milvus"``.
        pgvector, milvus: options of these indexes; those that are given are kept up to date.
        own_accounts: whether users may change the address of their account, and delete it.
        undo_days: how long images that were deleted at a review can be restored; 0 for not at all.
    """

    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    path_prefix: str = ""
    allow_http: bool = False
    max_bytes: int = DEFAULT_MAX_BYTES
    cache: str | None = None
    storage: str = "default"
    max_import_bytes: int = DEFAULT_MAX_IMPORT_BYTES
    memory: int = DEFAULT_MEMORY
    answer_memory: int = DEFAULT_ANSWER_MEMORY
    capture_times: bool = True
    embedding: bool = True
    mail: bool = False
    registration: str = "off"
    own_accounts: bool = False
    undo_days: int = 30
    index: str = "memory"
    pgvector: Mapping[str, Any] | None = None
    milvus: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def indexes(self) -> dict[str, Mapping[str, Any]]:
        """The options of indexes outside the process, by name."""
        given = {"pgvector": self.pgvector, "milvus": self.milvus}
        return {name: options for name, options in given.items() if options is not None}


def get_options() -> ServerOptions:
    """Return the setting; this checks it again if it has changed.

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
    global _last
    if _last is not None and given is _last.setting and given == _last.content:
        return _last.options
    check_options("VISUALSNOOP_SERVER", given, _OPTIONS)
    values = {name.lower(): value for name, value in given.items()}
    if "encryption_keys" in values:
        values["encryption_keys"] = tuple(values["encryption_keys"])
    options = ServerOptions(**values)
    _last = _Checked(given, deepcopy(given), options)
    return options


class _Checked(NamedTuple):
    setting: dict[str, Any]
    #: What it held then.
    content: dict[str, Any]
    options: ServerOptions


#: What was checked last: each request asks several times.
_last: _Checked | None = None


def _are_fernet_keys(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(key, str) and _FERNET_KEY.fullmatch(key) for key in value
    )


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and (
        not value or (value.startswith("/") and not value.endswith("/"))
    )


_OPTIONS = {
    "ENCRYPTION_KEYS": Option(
        "a list of keys, the newest first. Print a key with: python -c "
        '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
        _are_fernet_keys,
        is_secret=True,
    ),
    "PATH_PREFIX": Option(
        'a path such as "/images", with a slash before it and none after it', _is_prefix
    ),
    "ALLOW_HTTP": BOOLEAN,
    "MAX_BYTES": POSITIVE_INTEGER,
    "CACHE": Option(
        "the path of a folder, or None",
        lambda value: value is None or FOLDER.is_valid(value),
    ),
    "STORAGE": Option(
        "an alias of STORAGES", lambda value: isinstance(value, str) and value in settings.STORAGES
    ),
    "MAX_IMPORT_BYTES": POSITIVE_INTEGER,
    "MEMORY": POSITIVE_INTEGER,
    "ANSWER_MEMORY": Option(
        "a number of bytes, or 0", lambda value: value == 0 or POSITIVE_INTEGER.is_valid(value)
    ),
    "CAPTURE_TIMES": BOOLEAN,
    "EMBEDDING": BOOLEAN,
    "MAIL": BOOLEAN,
    "REGISTRATION": Option('"off", "invitation" or "open"', REGISTRATIONS.__contains__),
    "OWN_ACCOUNTS": BOOLEAN,
    "UNDO_DAYS": Option(
        "a number of days such as 30, or 0",
        lambda value: type(value) is int and 0 <= value <= 3650,
    ),
    "INDEX": INDEX,
    "MILVUS": MILVUS,
    "PGVECTOR": PGVECTOR,
}
