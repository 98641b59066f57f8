"""The search for all pairs finds what searches by the id of each image find."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from django_visualsnoop.common.search_options import COPY, SearchOptions
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.training.hard_negatives import TEMPLATES

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db

#: The least share of the pairs of the searches that the search for all pairs finds. In a gallery as
#: small as this one, a search compares pictures that have hardly anything in common.
FOUND = 0.9
#: Number of photographs.
PHOTOS = 16


def encode(picture: Image.Image, quality: int = 85) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()


def edit(photo: Image.Image) -> dict[str, bytes]:
    """Return a photograph and copies of it, some of them hard to find."""
    width, height = photo.size
    part = photo.crop((width // 3, height // 3, width, height))
    half = photo.crop((0, 0, width, int(height * 0.55)))
    return {
        "photo": encode(photo),
        "part": encode(ImageOps.mirror(part), 40),
        "half": encode(half.resize((width // 2, height // 4)), 50),
        "pale": encode(ImageEnhance.Contrast(part.rotate(8, expand=True)).enhance(0.4), 20),
    }


def test_all_pairs_are_those_of_searches_by_id(shared: Path) -> None:
    gallery = Gallery("default", "shop")
    for number, path in enumerate(sorted((shared / "photos").iterdir())[:PHOTOS]):
        photo = Image.open(path).convert("RGB")
        files = edit(photo)
        for kind in range(1, 3):  # each shares a page or a frame with those of all photographs
            alike = TEMPLATES[kind](np.asarray(photo), np.random.default_rng(kind))
            files[f"alike {kind}"] = encode(Image.fromarray(alike))
        gallery.store.put(
            [gallery.describe_image(one, f"{number:02} {name}") for name, one in files.items()]
        )
        if number == 0:
            names = list(files)
    options = SearchOptions(relations=[COPY])
    searched = set()
    for number in range(PHOTOS):
        for name in names:
            image_id = f"{number:02} {name}"
            for hit in gallery.search_by_id(image_id, options).hits:
                searched.add((min(image_id, hit.image_id), max(image_id, hit.image_id)))
    assert len(searched) > 3 * PHOTOS
    paired = {pair[:2] for pair in gallery.find_pairs()}
    # Those that no search compares show one photograph, too.
    assert all(one[:2] == other[:2] for one, other in paired - searched)
    missing = searched - paired
    assert len(missing) <= (1 - FOUND) * len(searched), sorted(missing)
