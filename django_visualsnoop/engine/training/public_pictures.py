"""Read the pictures of public repositories, and tell which of them are related. Imports no Django.

The names of the files tell the truth: the number of a product, a colour, the side of a light. Where
names tell nothing, equal pixels do, or nothing is known.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from django_visualsnoop.common.search_options import COPY, SHOT, VARIANT
from django_visualsnoop.engine.training.repositories import (
    list_files,
    open_repository,
    read_blobs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: The relation of pictures that have nothing, or only a layout, in common.
NONE = "none"
#: One of both; it is not known which.
COPY_OR_VARIANT, SHOT_OR_NONE = "copy or variant", "shot or none"
#: Pictures with a part replaced; with much of them, these are not even shots of one thing.
NOT_COPY = "not a copy"

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


class PublicPicture(NamedTuple):
    """A file of a public repository."""

    #: ``OWNER/NAME``.
    repository: str
    path: str
    content: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal digits."""
        return sha256(self.content).hexdigest()


def read_pictures(
    repository: str, *, snapshots: Path | None, clones: Path
) -> Iterator[PublicPicture]:
    """Yield the pictures of a repository that ``SETS`` lists, in the order of their paths.

    Args:
        repository: ``OWNER/NAME``.
        snapshots, clones: see ``open_repository``.
    """
    clone = open_repository(repository, snapshots=snapshots, clones=clones)
    wanted = sorted(
        file
        for file in list_files(clone, repository)
        if file.path.lower().endswith(_SUFFIXES) and SETS[repository].is_wanted(file.path)
    )
    contents = read_blobs(clone, (file.blob for file in wanted))
    for file, content in zip(wanted, contents, strict=True):
        if content is not None:
            yield PublicPicture(repository, file.path, content)


class _Set(NamedTuple):
    """A public set of pictures."""

    #: Returns the relation of two files by their paths; ``None`` if these do not tell.
    relate: Callable[[str, str], str | None]
    #: Returns whether to use a file.
    is_wanted: Callable[[str], bool] = lambda _: True


def _relate_nothing(_: str, __: str) -> str | None:
    return None


def _match_both(
    pattern: re.Pattern[str], one: str, other: str
) -> tuple[re.Match[str], re.Match[str]] | None:
    """Return what a pattern finds in both paths; ``None`` if it is not in both."""
    first, second = pattern.search(one), pattern.search(other)
    return None if first is None or second is None else (first, second)


def _get_folder(path: str) -> str:
    return path.rpartition("/")[0]


def _relate_groceries(one: str, other: str) -> str | None:
    """Photographs of one product in a shop share a folder."""
    if "iconic" in one or "iconic" in other:
        return None
    same = _get_folder(one).split("/")[-1] == _get_folder(other).split("/")[-1]
    return SHOT if same else NONE


_GARMENT = re.compile(r"/([a-z]+[0-9]+)-([a-z]+)[-_](\w+)\.")


def _relate_garments(one: str, other: str) -> str | None:
    """Files are called by garment, colour and view: ``wsh12-red_main.jpg``."""
    if (both := _match_both(_GARMENT, one, other)) is None:
        return None
    first, second = both
    if first[1] != second[1]:
        return NONE
    if first[3] != second[3]:
        return SHOT
    return None if first[2] == second[2] else VARIANT


def _relate_tiles(_: str, __: str) -> str | None:
    """Each tile is photographed several times, under other lights, next to its neighbours."""
    return SHOT


def _relate_shots(one: str, other: str) -> str | None:
    return SHOT if _get_folder(one) == _get_folder(other) else NONE


def _relate_codes(_: str, __: str) -> str | None:
    """A folder has photographs of several codes, often more than one of each."""
    return SHOT_OR_NONE


_FLOWER = re.compile(r"/image_(\d+)")


def _relate_flowers(one: str, other: str) -> str | None:
    """Augmented flowers keep their number: ``image_1350-northwest.jpg``."""
    both = _match_both(_FLOWER, one, other)
    return COPY if both is not None and both[0][1] == both[1][1] else None


def _relate_wallpapers(one: str, other: str) -> str | None:
    """Each wallpaper has a folder with all its sizes."""
    if one.split("/")[0] != other.split("/")[0]:
        return NONE
    dark = ("_dark" in one) != ("_dark" in other)
    return None if dark else COPY


def _relate_icons(one: str, other: str) -> str | None:
    """Icons of one style have one folder, and are called by their size."""
    folders = {_get_folder(one), _get_folder(other)}
    if len(folders) == 1 and all(path.startswith("assets/static/icons/") for path in folders):
        return COPY
    return None


def _relate_bitmaps(one: str, other: str) -> str | None:
    """All files of the BMP suite but its question marks show one picture in other formats."""
    drawn = ("pal1", "pal2", "pal4", "pal8", "rgb")
    named = [path.rsplit("/", 1)[-1].startswith(drawn) for path in (one, other)]
    if all("bmpsuite" in path for path in (one, other)) and all(named):
        return COPY
    return None


_MEME = re.compile(r"(templates|images)/([^/]+)/")


def _relate_memes(one: str, other: str) -> str | None:
    """Each template has a folder, and another with words on it."""
    if (both := _match_both(_MEME, one, other)) is None:
        return None
    first, second = both
    if first[2] != second[2]:
        return NONE
    return VARIANT if first[1] != second[1] else None


def _is_flower(path: str) -> bool:
    """Of each flower's variants, use a few."""
    number = _FLOWER.search(path)
    return number is not None and int(number[1]) % 12 == 0


SETS = {
    "marcusklasson/GroceryStoreDataset": _Set(_relate_groceries),
    "magento/magento2-sample-data": _Set(_relate_garments),
    "zxing/zxing": _Set(_relate_codes, lambda path: "blackbox" in path),
    "lessthanoptimal/ValidationBoof": _Set(_relate_shots),
    "udacity/CarND-Camera-Calibration": _Set(_relate_shots),
    "udacity/CarND-Advanced-Lane-Lines": _Set(
        _relate_shots, lambda path: path.startswith("camera_cal/")
    ),
    "abin24/Magnetic-tile-defect-datasets.": _Set(
        _relate_tiles, lambda path: path.endswith(".jpg")
    ),
    "openMVG/ImageDataset_SceauxCastle": _Set(_relate_shots),
    "daniele-gilio/Machine-Learning-Class": _Set(_relate_flowers, _is_flower),
    "OCR-D/assets": _Set(_relate_nothing),
    "photoprism/photoprism": _Set(_relate_icons),
    "maxogden/cats": _Set(_relate_nothing),
    "KDE/plasma-workspace-wallpapers": _Set(_relate_wallpapers),
    "catppuccin/wallpapers": _Set(_relate_nothing),
    "D3Ext/aesthetic-wallpapers": _Set(_relate_nothing),
    "jacebrowning/memegen": _Set(_relate_memes),
    "drewnoakes/metadata-extractor-images": _Set(_relate_bitmaps),
    "serizba/vision": _Set(_relate_nothing, lambda path: "/images/" in path),
    "dsw88/cs601r-project1-dataset": _Set(_relate_nothing, lambda path: "segmentation" not in path),
    "siddhant3c/GNR638_Assignment1": _Set(_relate_nothing),
}
