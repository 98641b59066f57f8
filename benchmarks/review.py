"""How many queries, and how long, the admin's pages of duplicates take, and what they propose.

    python -m benchmarks.review PHOTOS [--groups 100 10000] [--copies 64] [--seed 1]

First, edited copies of so many photographs are saved, searched for, and all groups are resolved by
the proposals. Printed is how many proposals would give up an original, and how many related rows
are gone. Then made-up groups of two rows each are stored, and each page is asked for three times;
the least processor time counts. Everything is on SQLite in a temporary folder.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["TEST_DATABASE"] = "sqlite"
sys.path.insert(0, str(Path(__file__).resolve().parent))

import django
from django.conf import settings
from PIL import Image, ImageDraw, ImageOps
from search import processor

from benchmarks.page_times import time_requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

URL = "/admin/testapp/product/duplicates/"


def crop(photo: Image.Image) -> Image.Image:
    width, height = photo.size
    return photo.crop((width // 7, height // 9, width - width // 10, height - height // 12))


def add_caption(photo: Image.Image) -> Image.Image:
    width, height = photo.size
    photo = photo.copy()
    drawing = ImageDraw.Draw(photo)
    drawing.rectangle((0, height - 40, width, height), fill="black")
    drawing.text((20, height - 30), "SALE 50% OFF today only", fill="white")
    return photo


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": crop,
    "scaled": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "mirrored": ImageOps.mirror,
    "turned": lambda photo: photo.rotate(90, expand=True),
    "black and white": lambda photo: photo.convert("L").convert("RGB"),
    "captioned": add_caption,
    "framed": lambda photo: ImageOps.expand(photo, 40, "white"),
}


def save_copies(photos: list[Path], seed: int) -> int:
    """Save each photograph and edited copies of it; return the number of copies."""
    from django.core.files.base import ContentFile

    from tests.testapp.models import Product, Range, Review

    dice = random.Random(seed)
    sale = Range.objects.create()
    copies = 0

    def save(photo: Image.Image, name: str, original: str, quality: int) -> None:
        written = io.BytesIO()
        photo.save(written, "JPEG", quality=quality)
        content = ContentFile(written.getvalue(), f"{original}.jpg")
        row = Product.objects.create(name=name, photo=content)
        Review.objects.create(product=row)
        sale.products.add(row)

    for number, path in enumerate(photos):
        with Image.open(path) as opened:
            photo = opened.convert("RGB")
        save(photo, "original", path.stem, 85)
        names = dice.sample(list(EDITS), 1 + (number % 4 == 0) + (number % 9 == 0))
        for name in names:
            # Often a larger file than the original.
            save(EDITS[name](photo), name, path.stem, dice.choice([70, 85, 97]))
            copies += 1
    return copies


def resolve_copies(client: Client, copies: int) -> None:
    from django_visualsnoop.models import ReviewGroup
    from django_visualsnoop.review.search import request_search, run_search
    from django_visualsnoop.sync import worker
    from tests.testapp.models import Product, Range, Review

    request_search(Product, using="default")
    worker.sweep(using="default")
    started = time.perf_counter()
    run_search(Product, using="default")
    print(f"  the search, in seconds           {time.perf_counter() - started:.1f}")
    wrong = named = shown = 0
    times: list[float] = []
    for group in ReviewGroup.objects.filter(state="open"):
        begun = time.perf_counter()
        page: Any = client.get(f"{URL}{group.pk}/")
        times.append(1000 * (time.perf_counter() - begun))
        members = [one for one, _ in page.context["members"]]
        names = [one.row.name for one in members]
        wrong += "original" in names and names[0] != "original"
        for one in members[1:]:
            if names[0] == "original":
                shown += 1
                named += one.row.name in " ".join(one.edit_texts)
        data = {
            f"visualsnoop_row_{one.member.pk}": "remove" if place else "keep"
            for place, one in enumerate(members)
        }
        client.post(f"{URL}{group.pk}/", {**data, "visualsnoop_confirmed": "1"})
    resolved = ReviewGroup.objects.filter(state="resolved").count()
    left = Product.objects.count()
    originals = Product.objects.filter(name="original").count()
    names_left = Counter(Product.objects.exclude(name="original").values_list("name", flat=True))
    print(f"  copies in no group               {dict(names_left)}")
    print(f"  copies, groups, rows left        {copies}, {resolved}, {left}")
    print(f"  proposals without the original   {wrong}; originals left: {originals}")
    quartiles = statistics.quantiles(times, n=20)
    print(f"  a group's page, p50 and p95      {quartiles[9]:.0f}, {quartiles[18]:.0f} ms")
    print(f"  copies whose edit is named       {named} of {shown}")
    reviews, links = Review.objects.count(), Range.objects.get().products.count()
    print(f"  reviews, links to ranges         {reviews}, {links}")


def store_groups(count: int) -> None:
    """Replace all groups by so many, of two made-up rows each."""
    from django.utils import timezone

    from django_visualsnoop.models import ReviewGroup, ReviewMember, ReviewSearch, sync_paused
    from tests.testapp.models import Product, Review

    ReviewGroup.objects.all().delete()
    name = Product.objects.exclude(photo="").values_list("photo", flat=True)[0]
    with sync_paused():
        rows = Product.objects.bulk_create(
            (Product(name="made up", photo=name) for _ in range(2 * count)), batch_size=500
        )
    Review.objects.bulk_create((Review(product=row) for row in rows), batch_size=500)
    search = ReviewSearch.objects.get()
    ReviewSearch.objects.update(found_at=timezone.now(), complete=True, change_tokens={})
    groups = ReviewGroup.objects.bulk_create(
        (
            ReviewGroup(
                search=search, number=number, digest=str(number), size=2, similarity=0.99,
                free_bytes=1000,
            )
            for number in range(1, count + 1)
        ),
        batch_size=500,
    )  # fmt: skip
    ReviewMember.objects.bulk_create(
        (
            ReviewMember(
                group=groups[number // 2], object_id=str(row.pk), field="photo", rank=0,
                similarity=0.99,
            )
            for number, row in enumerate(rows)
        ),
        batch_size=500,
    )  # fmt: skip


def time_pages(client: Client) -> None:

    from django_visualsnoop.models import ReviewGroup

    opened = ReviewGroup.objects.filter(state="open").order_by("number")
    group = opened[opened.count() // 2]
    keys = [one.pk for one in opened[:20]]
    members = [str(key) for key in group.members.values_list("pk", flat=True)]
    data = {f"visualsnoop_row_{members[0]}": "keep", f"visualsnoop_row_{members[1]}": "remove"}
    last = opened.count() // 20
    pages: list[tuple[str, str, dict[str, Any] | None]] = [
        ("the list", URL, None),
        ("its last page", f"{URL}?visualsnoop_page={last}", None),
        ("with a filter", f"{URL}?active__exact=1", None),
        ("a group", f"{URL}{group.pk}/", None),
        ("its confirmation", f"{URL}{group.pk}/", data),
        ("10 groups at once", f"{URL}resolve/", {"visualsnoop_group": keys}),
        ("the changelist's filter", "/admin/testapp/product/?visualsnoop_copies=1", None),
    ]
    time_requests(client, pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--groups", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--copies", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment

    from django_visualsnoop.admin import VisualSnoopAdminMixin
    from tests.testapp.admin import ProductAdmin

    setup_test_environment(debug=True)
    settings.VISUALSNOOP = {
        alias: {"OPTIONS": {"embedding": None}} for alias in ("default", "archive")
    }
    call_command("migrate", run_syncdb=True, verbosity=0)
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    # What the mixin has; the tests' own admin shows fewer.
    ProductAdmin.visualsnoop_groups_per_page = VisualSnoopAdminMixin.visualsnoop_groups_per_page
    ProductAdmin.visualsnoop_rows_per_group = VisualSnoopAdminMixin.visualsnoop_rows_per_group
    print(f"{processor()}, Python {platform.python_version()}, Django {django.__version__}")
    photos = sorted(options.photos.glob("*.jpg"))[: options.copies]
    print(f"Edited copies of {len(photos)} photographs, seed {options.seed}:")
    resolve_copies(client, save_copies(photos, options.seed))
    for count in options.groups:
        print(f"{count:,} groups:")
        store_groups(count)
        time_pages(client)


if __name__ == "__main__":
    main()
