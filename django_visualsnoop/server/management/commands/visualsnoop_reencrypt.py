from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.server.models import Key, database
from django_visualsnoop.server.tenants.encryption import CannotDecrypt, reencrypt
from django_visualsnoop.server.transactions import write_atomically


class Command(BaseCommand):
    help = (
        "Encrypt the secrets of all keys again with the newest encryption key. Run it after you "
        "change SECRET_KEY or ENCRYPTION_KEYS. Then remove the old keys from the settings."
    )

    def handle(self, *_: Any, **__: Any) -> str:
        keys = Key.objects.using(database())
        done, lost = 0, []
        # All at once: SQLite lets nobody write who has not finished reading.
        for public_key, encrypted in list(keys.values_list("public_key", "encrypted_secret")):
            try:
                anew = reencrypt(encrypted)
            except CannotDecrypt as error:
                lost.append(public_key)
                reason = error
            else:
                rows = keys.filter(public_key=public_key)
                done += write_atomically(partial(rows.update, encrypted_secret=anew))
        if lost:
            raise CommandError(
                f"Secrets encrypted again: {done}. Keys whose secret could not be decrypted: "
                f"{', '.join(lost)}. {reason}"
            )
        return f"Secrets encrypted again: {done}."
