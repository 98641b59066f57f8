from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.server.models import Key, database
from django_visualsnoop.server.sealing import CannotUnseal, reseal


class Command(BaseCommand):
    help = (
        "Encrypt every key's secret anew under the newest encryption key, after SECRET_KEY or "
        "ENCRYPTION_KEYS was changed. The older ones may be taken out of the settings then."
    )

    def handle(self, *_: Any, **__: Any) -> str:
        keys = Key.objects.using(database())
        done, lost = 0, []
        for public_key, sealed in keys.values_list("public_key", "sealed_secret").iterator():
            try:
                anew = reseal(sealed)
            except CannotUnseal as error:
                lost.append(public_key)
                reason = error
            else:
                done += keys.filter(public_key=public_key).update(sealed_secret=anew)
        if lost:
            raise CommandError(
                f"{done} secrets are encrypted anew, but {len(lost)} could not be decrypted, of "
                f"the keys {', '.join(lost)}. {reason}"
            )
        return f"{done} secrets are encrypted anew."
