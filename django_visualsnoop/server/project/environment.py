"""What the environment says of how the server is to run. Imports no Django."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "VISUALSNOOP_"

_ENGINES = {
    "postgresql": "django.db.backends.postgresql",
    "postgres": "django.db.backends.postgresql",
    "mariadb": "django.db.backends.mysql",
    "mysql": "django.db.backends.mysql",
}
_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/NAME, or mariadb://…"


class BadEnvironment(SystemExit):
    """A variable says nothing that can be done; the message says what to write."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{PREFIX}{name} {problem}")


def get_data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where everything is kept: ``VISUALSNOOP_DATA``, or ``.visualsnoop`` at home."""
    return Path(environment.get(f"{PREFIX}DATA") or Path.home() / ".visualsnoop").expanduser()


def make_folder(folder: Path) -> Path:
    """Make a folder that only this user can look into, if it is not there, and return it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadEnvironment(
            "DATA", f"is {str(folder)!r}, which could not be created: {error.strerror}."
        ) from None
    return folder


def make_private(path: Path) -> Path:
    """Let only this user read a file, which is made if it is not there, and return its path.

    The folder may have been made by others, who let anybody look into it. SQLite gives the files
    that it makes beside its database the same permissions.
    """
    with contextlib.suppress(OSError):  # whoever opens it finds out more
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
            print(f"Other users could read {path}. Now only this user can.", file=sys.stderr)
    return path


def get_secret_key(folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return ``VISUALSNOOP_SECRET_KEY``; without it, one that is made once and kept in a file.

    Args:
        folder: where the file is; nobody else may read it.
        environment: the variables.
    """
    given = environment.get(f"{PREFIX}SECRET_KEY")
    if given:
        return given
    path = folder / "secret-key"
    unfinished = folder / f"secret-key.{secrets.token_hex(8)}"
    if not path.exists():
        # A link is made whole or not at all: of two processes that start at once, both read one.
        unfinished.touch(mode=0o600, exist_ok=False)
        unfinished.write_text(secrets.token_urlsafe(50))
        try:
            os.link(unfinished, path)
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    return make_private(path).read_text().strip()


def get_database(folder: Path, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the entry of ``DATABASES``: what ``VISUALSNOOP_DATABASE`` says, or SQLite.

    Raises:
        BadEnvironment: it cannot be read. The message shows no password.
    """
    url = environment.get(f"{PREFIX}DATABASE")
    if not url:
        return _get_sqlite(make_private(folder / "visualsnoop.sqlite3"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadEnvironment("DATABASE", f"is not a URL; use {_EXAMPLE}") from None
    if parts.scheme == "sqlite":
        return _get_sqlite(Path("/", unquote(parts.path).lstrip("/")))
    engine = _ENGINES.get(parts.scheme)
    name = unquote(parts.path.lstrip("/"))
    if engine is None or not name:
        kind = f"starts with {parts.scheme!r}" if engine is None else "names no database"
        raise BadEnvironment("DATABASE", f"{kind}; use {_EXAMPLE}")
    return {
        "ENGINE": engine,
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"charset": "utf8mb4"} if engine.endswith("mysql") else {},
    }


def _get_sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            # Readers do not wait for the one that writes, and writers wait their turn.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        },
    }


def get_hosts(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the host names that are answered to: ``VISUALSNOOP_HOSTS``, or this machine's own."""
    given = environment.get(f"{PREFIX}HOSTS", "")
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if "/" in name:
            raise BadEnvironment(
                "HOSTS", f"contains {name!r}; use only host names, such as images.example.com"
            )
    return [*names, "localhost", "127.0.0.1", "[::1]"]


def is_on(name: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a variable is ``1``; not if it is ``0`` or not set."""
    text = environment.get(PREFIX + name) or "0"
    if text not in ("0", "1"):
        raise BadEnvironment(name, f"must be 1 or 0, not {text!r}")
    return text == "1"
