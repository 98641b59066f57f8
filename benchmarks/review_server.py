"""How many queries, and how long, the server's pages of duplicates take.

    python -m benchmarks.review_server PHOTOS [--groups 100 10000]

A photograph and its mirrored copy are stored with their files, and made-up groups of two images
each without files. The search is made up, too: it returns all groups. Then each page is asked for
three times; the least processor time counts. Everything is on SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import io
import platform
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from PIL import Image, ImageOps

from benchmarks.page_times import time_requests
from benchmarks.review import processor  # that module selects the settings

if TYPE_CHECKING:
    from django.test import Client

    from django_visualsnoop.server.models import HostedCollection


def store_groups(hosted: HostedCollection, photo: Path, count: int) -> None:
    """Store so many groups, and make the search for duplicates find them."""
    from django_visualsnoop.server.content import duplicates
    from django_visualsnoop.server.content.groups import DuplicateGroups, GroupMember
    from django_visualsnoop.server.content.images import HostedImages

    images = HostedImages(hosted)
    with Image.open(photo) as opened:
        original = opened.convert("RGB")
    ids = [(f"{number}-0", f"{number}-1") for number in range(count)]
    described = []
    for name, picture in zip(ids[0], (original, ImageOps.mirror(original)), strict=True):
        written = io.BytesIO()
        picture.save(written, "JPEG", quality=90)
        new = images.describe(written.getvalue(), name)
        images.put(new)
        described.append(new.image)
    made_up = [
        replace(one, image_id=image_id, digest=image_id.rjust(64, "0"))
        for pair in ids[1:]
        for one, image_id in zip(described, pair, strict=True)
    ]
    for start in range(0, len(made_up), 500):
        images.store.put(made_up[start : start + 500])
    groups = [[GroupMember(image_id, 9, 0.99) for image_id in pair] for pair in ids]
    duplicates.find_groups_touching = lambda *_: DuplicateGroups(groups, complete=True)


def time_pages(client: Client, hosted: HostedCollection, count: int) -> None:
    from django.urls import reverse

    def review_url(place: int) -> str:
        return reverse("visualsnoop_server:review", args=[hosted.pk, f"{place}-0"])

    listed = reverse("visualsnoop_server:duplicates", args=[hosted.pk])
    review = review_url(count // 2)
    shown = re.findall(r'name="shown" value="([^"]+)"', client.get(review).text)
    first = re.findall(r'name="group" value="([^"]+)"', client.get(listed).text)
    removal = {"shown": shown, f"choice-{shown[1].partition(':')[0]}": "remove"}
    pages: list[tuple[str, str, dict[str, Any] | None]] = [
        ("the list", listed, None),
        ("its last page", f"{listed}?page={count // 20}", None),
        ("a group", review, None),
        ("the last group", review_url(count - 1), None),
        ("a group with files", review_url(0), None),
        ("a confirmation", review, removal),
        ("10 groups at once", f"{listed}resolve/", {"group": first}),
    ]
    time_requests(client, pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--groups", type=int, nargs="+", default=[100, 10_000])
    options = parser.parse_args()
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment

    from django_visualsnoop.server.models import Retention
    from django_visualsnoop.server.tenants.keys import make_collection

    setup_test_environment(debug=True)
    call_command("migrate", run_syncdb=True, verbosity=0)
    user = User.objects.create_user("ann@example.com", "ann@example.com")
    client = Client()
    client.force_login(user)
    print(f"{processor()}, Python {platform.python_version()}, Django {django.__version__}")
    for count in options.groups:
        print(f"{count:,} groups:")
        hosted = make_collection(user, str(count))
        hosted.retention = Retention.ORIGINALS
        hosted.save()
        store_groups(hosted, min(options.photos.glob("*.jpg")), count)
        time_pages(client, hosted, count)


if __name__ == "__main__":
    main()
