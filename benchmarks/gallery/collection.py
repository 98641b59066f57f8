"""Describe the pictures in a collection of the embedded engine, and find all pairs of copies."""

from __future__ import annotations

import csv
import multiprocessing
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from django_visualsnoop.engine.training.repositories import read_blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from benchmarks.gallery.pictures import Picture
    from django_visualsnoop.collections.base import BaseCollection, ImagePair

#: Pictures that a process describes at a time.
TOGETHER = 64
DATABASE, REFUSED, PAIRS = "gallery.sqlite3", "refused.tsv", "pairs.tsv"
#: Begins files that stand for one in Git LFS.
_POINTER = b"version https://git-lfs"


class Refusal(NamedTuple):
    image_id: str
    reason: str


def set_up(folder: Path) -> None:
    """Make this process a Django project whose database is in a folder."""
    import django
    from django.conf import settings

    # Processes describe at the same time, each on one core.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 300}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / DATABASE}
    settings.configure(
        DATABASES={"default": database | {"OPTIONS": options}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django_visualsnoop", "django_visualsnoop.engine"],
        USE_TZ=True,
    )
    django.setup()


def create_tables() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def get_collection() -> BaseCollection:
    from django_visualsnoop.collections import collections

    return collections["default"]


def list_stored() -> set[str]:
    """Return the ids of all images of the collection."""
    return {image.image_id for image in get_collection().iter_images()}


def list_missing(pictures: Iterable[Picture], folder: Path) -> list[Picture]:
    """Return the pictures that this version of the engine has neither described nor refused."""
    done = list_stored().difference(get_collection().iter_outdated())
    done |= {refusal.image_id for refusal in read_refusals(folder)}
    return [picture for picture in pictures if picture.image_id not in done]


def read_refusals(folder: Path) -> list[Refusal]:
    path = folder / REFUSED
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [Refusal(*row) for row in csv.reader(file, delimiter="\t")]


def describe_all(pictures: list[Picture], folder: Path, processes: int) -> Iterator[int]:
    """Add pictures to the collection with some processes; yield how many are done.

    What the engine refuses is written to a file, so that the next run does not try it again.
    """
    chunks = list(_split(pictures))
    context = multiprocessing.get_context("spawn")  # no connection to the database is shared
    done = 0
    with (
        context.Pool(processes, set_up, (folder,)) as pool,
        (folder / REFUSED).open("a", newline="") as file,
    ):
        write = csv.writer(file, delimiter="\t", lineterminator="\n")
        for count, refusals in pool.imap_unordered(describe_some, chunks):
            write.writerows(refusals)
            file.flush()
            done += count
            yield done


def _split(pictures: list[Picture]) -> Iterator[list[Picture]]:
    """Yield some pictures of one repository at a time."""
    by_folder: dict[Path, list[Picture]] = {}
    for picture in pictures:
        by_folder.setdefault(picture.folder, []).append(picture)
    for some in by_folder.values():
        for start in range(0, len(some), TOGETHER):
            yield some[start : start + TOGETHER]


def describe_some(pictures: list[Picture]) -> tuple[int, list[Refusal]]:
    """Add pictures of one repository to the collection; return their number and refusals."""
    from django_visualsnoop.exceptions import ImageRefusedError, VisualSnoopError

    refusals: list[Refusal] = []

    def read() -> Iterator[tuple[str, bytes]]:
        blobs = read_blobs(pictures[0].folder, [picture.blob for picture in pictures])
        for picture, content in zip(pictures, blobs, strict=True):
            if content is None or content.startswith(_POINTER):
                refusals.append(Refusal(picture.image_id, "not in the repository"))
            else:
                yield picture.image_id, content

    for image_id, result in get_collection().add_images(read()):
        if isinstance(result, ImageRefusedError):
            refusals.append(Refusal(image_id, result.reason))
        elif isinstance(result, VisualSnoopError):
            raise result
    return len(pictures), refusals


def find_pairs(folder: Path, progress: Callable[[float], object]) -> list[ImagePair]:
    """Return all pairs of copies at the default threshold, and write them to a file."""
    pairs = get_collection().iter_pairs(progress=progress)
    found = sorted(pairs, key=lambda pair: (pair.first_id, pair.second_id))
    with (folder / PAIRS).open("w", newline="") as file:
        write: Any = csv.writer(file, delimiter="\t", lineterminator="\n")
        write.writerow(["image_id", "other_image_id", "similarity", "rank"])
        for pair in found:
            write.writerow([pair.first_id, pair.second_id, f"{pair.similarity:.6f}", pair.rank])
    return found
