"""Read the server's configuration from the environment. Imports no Django."""

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
#: Scheme → the options of Django's SMTP backend.
_MAIL_SCHEMES: dict[str, dict[str, Any]] = {
    "smtp": {"port": 25},
    "submission": {"port": 587, "use_tls": True},
    "smtps": {"port": 465, "use_ssl": True},
}
_MAIL_SECONDS = 10
_MAIL_EXAMPLE = "submission://USER:PASSWORD@HOST:587, smtps://…, smtp://HOST:25, or console:"
_BACKENDS = "django.core.mail.backends"
_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/NAME, or mariadb://…"


class BadEnvironment(SystemExit):
    """A variable has an invalid value; the message says what to write."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{PREFIX}{name} {problem}")


def get_data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the data folder: ``VISUALSNOOP_DATA``, or ``.visualsnoop`` in the home folder."""
    return Path(environment.get(f"{PREFIX}DATA") or Path.home() / ".visualsnoop").expanduser()


def make_folder(folder: Path) -> Path:
    """Create a folder that only this user can access, if it does not exist, and return it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadEnvironment(
            "DATA", f"is {str(folder)!r}, which could not be created: {error.strerror}."
        ) from None
    return folder


def make_private(path: Path) -> Path:
    """Make a file readable only by this user, create it if necessary, and return its path.

    Others may have created the folder and made it readable for everyone. SQLite gives the files
    that it creates beside its database the same permissions.
    """
    with contextlib.suppress(OSError):  # opening the file reports more about the error
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
            print(f"Other users could read {path}. Now only this user can.", file=sys.stderr)
    return path


def get_secret_key(folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return ``VISUALSNOOP_SECRET_KEY``, or a key that is created once and stored in a file.

    Args:
        folder: the folder of the file; nobody else may read it.
        environment: the variables.
    """
    given = environment.get(f"{PREFIX}SECRET_KEY")
    if given:
        return given
    path = folder / "secret-key"
    unfinished = folder / f"secret-key.{secrets.token_hex(8)}"
    if not path.exists():
        # Creating a link is atomic: if two processes start at the same time, both read one key.
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
    """Return the entry of ``DATABASES``: from ``VISUALSNOOP_DATABASE``, or for SQLite.

    Raises:
        BadEnvironment: the value is invalid. The message does not show a password.
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
        # To open the file takes longer than most queries.
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # Readers do not wait for the writer, and writers take turns.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        },
    }


def get_mailer(environment: Mapping[str, str] = os.environ) -> dict[str, Any] | None:
    """Return the entry of ``MAILERS`` for ``VISUALSNOOP_EMAIL_URL``; ``None`` if it is not set.

    Raises:
        BadEnvironment: the value is invalid. The message does not show a password.
    """
    url = environment.get(f"{PREFIX}EMAIL_URL")
    if not url:
        return None
    if url == "console:":
        return {"BACKEND": f"{_BACKENDS}.console.EmailBackend"}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadEnvironment("EMAIL_URL", f"is not a URL; use {_MAIL_EXAMPLE}") from None
    options = _MAIL_SCHEMES.get(parts.scheme)
    if options is None or not parts.hostname:
        kind = f"starts with {parts.scheme!r}" if options is None else "names no host"
        raise BadEnvironment("EMAIL_URL", f"{kind}; use {_MAIL_EXAMPLE}")
    return {
        "BACKEND": f"{_BACKENDS}.smtp.EmailBackend",
        "OPTIONS": {
            **options,
            "host": parts.hostname,
            "port": port or options["port"],
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "timeout": _MAIL_SECONDS,
        },
    }


def get_mail_settings(
    mailer: dict[str, Any] | None, *, has_mailers: bool, sender: str
) -> dict[str, Any]:
    """Return Django's settings for mail.

    Args:
        mailer: see ``get_mailer``.
        has_mailers: whether Django knows the setting ``MAILERS``, as of Django 6.1.
        sender: the address of the sender.
    """
    if mailer is None:
        return {}
    found = {"DEFAULT_FROM_EMAIL": sender}
    if has_mailers:
        return {**found, "MAILERS": {"default": mailer}}
    names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
    options = {
        f"EMAIL_{names.get(name, name.upper())}": value
        for name, value in mailer.get("OPTIONS", {}).items()
    }
    return {**found, "EMAIL_BACKEND": mailer["BACKEND"], **options}


def get_registration(has_mail: bool, environment: Mapping[str, str] = os.environ) -> str:
    """Return ``VISUALSNOOP_REGISTRATION``; ``"off"`` if it is not set."""
    text = environment.get(f"{PREFIX}REGISTRATION") or "off"
    if text not in ("off", "invitation", "open"):
        raise BadEnvironment("REGISTRATION", f"must be off, invitation or open, not {text!r}")
    if text != "off" and not has_mail:
        raise BadEnvironment(
            "REGISTRATION",
            f"is {text}, but the server cannot send the mails that confirm addresses. Set "
            f"{PREFIX}EMAIL_URL to {_MAIL_EXAMPLE} (prints mails in the terminal)",
        )
    return text


def get_old_secret_keys(folder: Path, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the keys that ``get_secret_key`` returned before, which still open what they locked.

    They are in ``VISUALSNOOP_OLD_SECRET_KEY``, or in the file ``secret-key.old``.

    Args:
        folder: the folder of the file.
        environment: the variables.
    """
    given = environment.get(f"{PREFIX}OLD_SECRET_KEY")
    if given:
        return [given]
    path = folder / "secret-key.old"
    return [make_private(path).read_text().strip()] if path.exists() else []


def get_hosts(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the allowed host names: ``VISUALSNOOP_HOSTS``, or this machine's own."""
    given = environment.get(f"{PREFIX}HOSTS", "")
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if "/" in name:
            raise BadEnvironment(
                "HOSTS", f"contains {name!r}; use only host names, such as images.example.com"
            )
    return [*names, "localhost", "127.0.0.1", "[::1]"]


def is_on(name: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a variable is ``1``; false if it is ``0`` or not set."""
    text = environment.get(PREFIX + name) or "0"
    if text not in ("0", "1"):
        raise BadEnvironment(name, f"must be 1 or 0, not {text!r}")
    return text == "1"
