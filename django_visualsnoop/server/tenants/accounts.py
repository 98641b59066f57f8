"""The account that owns a collection, found by its e-mail address or made."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from django_visualsnoop.server.models import database


class NoAccount(ValueError):  # noqa: N818
    """No account has the address, and none can be made of it."""


def get_or_create_account(email: str) -> Any:
    """Return the user with an e-mail address; a new one, without a password, if there is none.

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
    return (
        users[0] if users else _create_account(model, {field: email, model.USERNAME_FIELD: email})
    )


def _create_account(model: Any, fields: dict[str, str]) -> Any:
    user = model(**fields)
    user.set_unusable_password()
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
    return user
