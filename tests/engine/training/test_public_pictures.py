"""Pictures of public repositories, and what their names tell."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.common.search_options import COPY, SHOT, VARIANT
from django_visualsnoop.engine.training import repositories
from django_visualsnoop.engine.training.public_pictures import (
    NONE,
    SETS,
    SHOT_OR_NONE,
    read_pictures,
)
from tests.collections.contract import image

if TYPE_CHECKING:
    from pathlib import Path

GARMENTS = "magento/magento2-sample-data"


@pytest.mark.parametrize(
    ("repository", "one", "other", "relation"),
    [
        ("marcusklasson/GroceryStoreDataset", "a/Milk/Oat/Oat_1.jpg", "b/Milk/Oat/Oat_9.jpg", SHOT),
        ("marcusklasson/GroceryStoreDataset", "a/Milk/Oat/Oat_1.jpg", "a/Milk/Soy/Soy_1.jpg", NONE),
        (GARMENTS, "p/w/s/ws07-white_main.jpg", "p/w/s/ws07-black_main.jpg", VARIANT),
        (GARMENTS, "p/w/s/ws07-white_main.jpg", "p/w/s/ws07-white_back.jpg", SHOT),
        (GARMENTS, "p/w/s/ws07-white_main.jpg", "p/w/s/ws08-white_main.jpg", NONE),
        (GARMENTS, "p/w/s/ws07-white_main.jpg", "wysiwyg/tees.jpg", None),
        ("zxing/zxing", "blackbox/ean13-1/5.png", "blackbox/ean13-1/6.png", SHOT_OR_NONE),
        ("KDE/plasma-workspace-wallpapers", "Ice/contents/a.png", "Ice/contents/b.png", COPY),
        ("KDE/plasma-workspace-wallpapers", "Ice/contents/a.png", "Sun/contents/a.png", NONE),
        ("jacebrowning/memegen", "templates/boat/a.jpg", "app/tests/images/boat/b.png", VARIANT),
        ("jacebrowning/memegen", "templates/boat/a.jpg", "templates/doge/a.jpg", NONE),
        ("maxogden/cats", "cat_photos/a.png", "catmapper/b.jpg", None),
    ],
)
def test_names_tell_relations(repository: str, one: str, other: str, relation: str | None) -> None:
    relate = SETS[repository].relate
    assert relate(one, other) == relate(other, one) == relation


def test_pictures_of_a_clone_are_read_in_order(clone: Path) -> None:
    found = list(read_pictures("maxogden/cats", snapshots=clone, clones=clone))
    assert [one.path for one in found] == ["a.JPG", "b c.jpg", "broken.jpg", "same.jpg", "ü.png"]
    assert [one.content for one in found if one.path != "broken.jpg"] == [
        image(1), image(0), image(0), image(2)
    ]  # fmt: skip
    assert all(len(one.digest) == 64 for one in found)


def test_pictures_are_cloned_at_their_commit(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "ADDRESS", f"{clone}/maxogden+cats/repo")
    for _ in range(2):
        found = list(read_pictures("maxogden/cats", snapshots=None, clones=tmp_path / "clones"))
        assert [one.path for one in found] == [
            "a.JPG",
            "b c.jpg",
            "broken.jpg",
            "same.jpg",
            "ü.png",
        ]


def test_a_missing_snapshot_or_commit_is_named(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="zxing"):
        list(read_pictures("zxing/zxing", snapshots=tmp_path, clones=tmp_path))
    (clone / "zxing+zxing").mkdir()
    shutil.copytree(clone / "maxogden+cats" / "repo", clone / "zxing+zxing" / "repo")
    with pytest.raises(SystemExit, match="does not have the commit"):
        list(read_pictures("zxing/zxing", snapshots=tmp_path, clones=tmp_path))
