from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.server.models import Key, database
from django_visualsnoop.server.tenants.encryption import CannotDecrypt, reencrypt
from django_visualsnoop.server.transactions import write_atomically


class Command(BaseCommand):
    help = (
        "Encrypt every key's secret anew under the newest encryption key, after SECRET_KEY or "
        "ENCRYPTION_KEYS was changed. The older ones may be taken out of the settings then."
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
                f"{done} secrets are encrypted anew, but {len(lost)} could not be decrypted, of "
                f"the keys {', '.join(lost)}. {reason}"
            )
        return f"{done} secrets are encrypted anew."
