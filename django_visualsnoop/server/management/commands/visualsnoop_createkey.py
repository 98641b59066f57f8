from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.server.management.options import (
    add_key_options,
    format_key,
    parse_key_options,
)
from django_visualsnoop.server.tenants.keys import NoSuchCollection, make_key

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Create another key for a hosted collection. Prints a JSON object with collection_id, "
        "public_key and secret_key. The secret is shown only once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("collection_id", help="the id of the collection, 8 hexadecimal digits")
        add_key_options(parser)

    def handle(self, *_: Any, **options: Any) -> str:
        try:
            return format_key(make_key(options["collection_id"], **parse_key_options(options)))
        except (NoSuchCollection, ValueError) as error:
            raise CommandError(str(error)) from error
