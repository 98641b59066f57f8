from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.server.management.options import (
    add_key_options,
    format_key,
    parse_key_options,
)
from django_visualsnoop.server.models import MAX_NAME_LENGTH
from django_visualsnoop.server.tenants.accounts import NoAccount, get_or_create_account
from django_visualsnoop.server.tenants.keys import make_collection, make_key
from django_visualsnoop.server.transactions import write_atomically

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from django_visualsnoop.server.tenants.keys import NewKey


class Command(BaseCommand):
    help = (
        "Create a hosted collection and a key. Prints a JSON object with collection_id, "
        "public_key and secret_key. The secret is shown only once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--owner",
            required=True,
            metavar="EMAIL",
            help="the owner's e-mail address; creates an account if no user has it",
        )
        parser.add_argument("--name", required=True, help="the name of the collection")
        add_key_options(parser)

    def handle(self, *_: Any, **options: Any) -> str:
        name = options["name"].strip()
        if not 1 <= len(name) <= MAX_NAME_LENGTH:
            raise CommandError(f"--name has {len(name)} characters; use 1 to {MAX_NAME_LENGTH}.")
        try:
            return format_key(write_atomically(lambda: _make(options["owner"], name, options)))
        except (NoAccount, ValueError) as error:
            raise CommandError(str(error)) from error


def _make(owner: str, name: str, options: dict[str, Any]) -> NewKey:
    collection = make_collection(get_or_create_account(owner), name)
    return make_key(collection.pk, **parse_key_options(options))
