from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from django_visualsnoop.server.content.redescribe import redescribe_collection
from django_visualsnoop.server.models import HostedCollection, database


class Command(BaseCommand):
    help = (
        "Describe images again after an upgrade with a new version of the descriptor, from the "
        "originals that their collections retain. Add images without an original again yourself. "
        "You can interrupt this command, and run it while the server runs."
    )

    def handle(self, *_: Any, **__: Any) -> str:
        done = left = 0
        for collection in HostedCollection.objects.using(database()).order_by("pk"):
            for image_id, problem in redescribe_collection(collection):
                if problem:
                    left += 1
                    self.stderr.write(f"{collection.pk} {image_id}: {problem}")
                else:
                    done += 1
        return f"Images described again: {done}. Images that could not be described: {left}."
