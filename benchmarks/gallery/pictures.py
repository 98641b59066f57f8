"""Choose the pictures of the gallery from the files of the repositories."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.engine.training.repositories import list_files, open_repository

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from benchmarks.gallery.sets import PictureSet

SEED = 20261129
#: Endings of names of pictures.
ENDINGS = frozenset(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "heic", "heif", "jpe", "jpeg", "jpg"),
        *("pgm", "png", "ppm", "tif", "tiff", "webp"),
    )
)


class Picture(NamedTuple):
    #: Name of its set and its number among all pictures of the set, by path.
    image_id: str
    set: PictureSet
    #: The git directory.
    folder: Path
    path: str
    blob: str


class Listing(NamedTuple):
    """The pictures of the gallery."""

    #: By image id.
    pictures: dict[str, Picture]
    #: By repository and path; equal files share one picture.
    by_path: dict[tuple[str, str], Picture]
    #: Number of files that were left out, by reason.
    left_out: Counter[str]


def list_pictures(
    sets: Sequence[PictureSet],
    *,
    share: float,
    always: Collection[tuple[str, str]],
    stored: Collection[str],
    snapshots: Path | None,
    clones: Path,
) -> Listing:
    """Return the pictures to take; of equal files, only one.

    Args:
        sets: the sets to take them from.
        share: 0 to 1; the share of each set to take, drawn by ``SEED``.
        always: repositories and paths of pictures that are not left to the draw.
        stored: ids of pictures that an earlier run took, which are taken again.
        snapshots, clones: see ``open_repository``.
    """
    listing = Listing({}, {}, Counter())
    taken: list[Picture] = []
    for one in sets:
        folder = open_repository(one.repository, snapshots=snapshots, clones=clones)
        pictures = _list_set(one, folder, listing.left_out)
        drawn = _draw(pictures, share)
        some = [
            picture
            for picture in pictures
            if picture.image_id in drawn
            or picture.image_id in stored
            or (one.repository, picture.path) in always
        ]
        listing.left_out["not drawn"] += len(pictures) - len(some)
        taken += some
    seen: dict[str, Picture] = {}
    for picture in sorted(taken, key=lambda picture: picture.image_id not in stored):
        kept = seen.setdefault(picture.blob, picture)
        if kept is picture:
            listing.pictures[picture.image_id] = picture
        else:
            listing.left_out["equal to another file"] += 1
        listing.by_path[picture.set.repository, picture.path] = kept
    return listing


def _list_set(one: PictureSet, folder: Path, left_out: Counter[str]) -> list[Picture]:
    """Return all pictures of a set."""
    files = sorted(
        file
        for file in list_files(folder, one.repository)
        if Path(file.path).suffix.lower() in ENDINGS
    )
    pictures = []
    for number, (path, blob) in enumerate(files):
        if any(fnmatch(path, pattern) for pattern in one.without):
            left_out["mask"] += 1
        else:
            pictures.append(Picture(f"{one.name}-{number:05}", one, folder, path, blob))
    return pictures


def _draw(pictures: Sequence[Picture], share: float) -> set[str]:
    """Return the ids of a share of a set."""

    def place(picture: Picture) -> str:
        name = f"{SEED} {picture.set.repository} {picture.path}"
        return sha256(name.encode(errors="surrogateescape")).hexdigest()

    if not pictures:
        return set()
    most = pictures[0].set.most or len(pictures)
    count = max(1, round(share * min(len(pictures), most)))
    return {picture.image_id for picture in sorted(pictures, key=place)[:count]}
