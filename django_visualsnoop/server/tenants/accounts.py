"""Find, create and change accounts by their e-mail addresses."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from django_visualsnoop.server.models import database
from django_visualsnoop.server.tenants.tenancy import get_address
from django_visualsnoop.server.transactions import write_atomically


class NoAccount(ValueError):  # noqa: N818
    """No account has the address, and none can be created for it."""


class AddressTaken(ValueError):  # noqa: N818
    """Another account has the address."""


def get_or_create_account(email: str) -> Any:
    """Return the user with an e-mail address, or create one without a password.

    Args:
        email: the address; its case does not matter.

    Raises:
        NoAccount: it is not an address, several users have it, or the user model requires more.
    """
    try:
        validate_email(email)
    except ValidationError:
        raise NoAccount(
            f"{email!r} is not an e-mail address; use one such as ann@example.com."
        ) from None
    model = get_user_model()
    field = model.get_email_field_name()
    users = list(model._default_manager.using(database()).filter(**{f"{field}__iexact": email})[:2])
    if len(users) > 1:
        raise NoAccount(f"Several users have the address {email}. Change it for all but one.")
    if users:
        return users[0]
    user = make_user(email)
    user.set_unusable_password()
    _save_new(user)
    return user


def has_account(email: str) -> bool:
    """Return whether an account has an address, or signs in with it; its case does not matter."""
    model = get_user_model()
    fields = (model.get_email_field_name(), model.USERNAME_FIELD)
    condition = Q(*((f"{field}__iexact", email) for field in fields), _connector=Q.OR)
    return model._default_manager.using(database()).filter(condition).exists()


def make_user(email: str) -> Any:
    """Return a user with an address, not saved."""
    model = get_user_model()
    return model(**{model.get_email_field_name(): email, model.USERNAME_FIELD: email})


@sensitive_variables("password")
def register(email: str, password: str) -> Any:
    """Create an account with an address that its user has confirmed, and return it.

    Args:
        email: the address. The account has it in lower case: the unique name of the account then
            lets only one of two concurrent requests create it.
        password: a validated password.

    Raises:
        AddressTaken: an account has it already.
        NoAccount: the user model requires more.
    """

    def work() -> Any:
        if has_account(email):
            raise AddressTaken(email)
        user = make_user(email.lower())
        user.set_password(password)
        _save_new(user)
        return user

    try:
        return write_atomically(work)
    except IntegrityError:
        raise AddressTaken(email) from None


def change_address(user: Any, email: str) -> None:
    """Give an account another address that its user has confirmed.

    If the user signs in with the old address, the new one takes its place there, too.

    Raises:
        AddressTaken: another account has it already.
    """
    model = get_user_model()
    fields = [model.get_email_field_name()]
    if user.get_username().lower() == get_address(user).lower():
        fields.append(model.USERNAME_FIELD)

    def work() -> None:
        rows = model._default_manager.using(database())
        if email.lower() != get_address(user).lower() and has_account(email):
            raise AddressTaken(email)
        rows.filter(pk=user.pk).update(**dict.fromkeys(fields, email.lower()))

    try:
        write_atomically(work)
    except IntegrityError:
        raise AddressTaken(email) from None


def _save_new(user: Any) -> None:
    try:
        user.full_clean()
    except ValidationError as error:
        reasons = "; ".join(
            f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()
        )
        raise NoAccount(
            f"An e-mail address is not enough to create an account ({reasons}) Create one in the "
            "admin or with python manage.py createsuperuser, then try again."
        ) from error
    user.save(using=database())
