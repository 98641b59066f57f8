from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.server.tenants.keys import NoSuchKey, revoke_key

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = "Revoke a key of a hosted collection. The server refuses all further requests with it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("public_key", help="the public key, 20 hexadecimal digits")

    def handle(self, *_: Any, **options: Any) -> str:
        try:
            revoke_key(options["public_key"])
        except NoSuchKey as error:
            raise CommandError(str(error)) from error
        return f"Revoked the key {options['public_key']}."
