"""Create an account with a password; the first one may use the admin."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.server.tenants.accounts import NoAccount, get_or_create_account
from django_visualsnoop.server.transactions import write_atomically


@sensitive_variables()
def create_user(email: str, password_stdin: bool) -> int:
    """Create an account and print a message.

    Args:
        email: the e-mail address for signing in.
        password_stdin: read the password as a line of standard input; if false, ask for it.

    Returns:
        The exit status.
    """
    users: Any = get_user_model()._default_manager
    if users.filter(email__iexact=email).exists():
        return _report_failure(
            f"The account {email} exists already. To change its password, type: "
            f"visualsnoop-server changepassword {email}"
        )
    try:
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _ask_password(email)
        is_first = write_atomically(lambda: _make(users, email, password))
    except ValidationError as error:
        return _report_failure(" ".join(error.messages))
    except NoAccount as error:
        return _report_failure(str(error))
    print(f"{email} can sign in now{', also at /admin/' if is_first else ''}.")
    return 0


@sensitive_variables("password")
def _make(users: Any, email: str, password: str) -> bool:
    """Create the account; return whether it is the administrator's, because there was none."""
    is_first = not users.filter(is_superuser=True).exists()
    user = get_or_create_account(email)
    validate_password(password, user)
    user.set_password(password)
    user.is_staff = user.is_superuser = is_first
    user.save()
    return is_first


def _ask_password(email: str) -> str:
    password = getpass.getpass(f"Password for {email}: ")
    if getpass.getpass("Password (again): ") != password:
        raise NoAccount("The passwords differ. No account was created. Try again.")
    return password


def _report_failure(why: str) -> int:
    print(why, file=sys.stderr)
    return 1
