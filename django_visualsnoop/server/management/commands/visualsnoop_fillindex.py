from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.server.conf import get_options
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.models import HostedCollection, database


class Command(BaseCommand):
    help = (
        'Write all images to the index that VISUALSNOOP_SERVER["INDEX"] names, compare it with '
        "them, and let searches use it. Until then, they use the memory of each process. You can "
        "interrupt this command, and run it while the server runs. Run it every night, too: it "
        "finds and mends what the index has lost."
    )

    def handle(self, *_: Any, **__: Any) -> str:
        index = get_options().index
        if index == "memory":
            raise CommandError(
                'VISUALSNOOP_SERVER["INDEX"] is "memory": there is nothing to fill. Set it to '
                '"pgvector" or "milvus" first.'
            )
        mended = 0
        for collection in HostedCollection.objects.using(database()).order_by("pk"):
            gallery = HostedImages(collection).gallery
            collection_id = gallery.store.get_or_create_collection_id()
            try:
                mended += gallery.outside.fill(collection_id, index).total
            except IndexUnavailable as error:
                raise CommandError(f"{error} To go on, type the same command again.") from error
        return f"The index {index} holds all images. Entries mended: {mended}."
