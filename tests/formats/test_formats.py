"""Every format that is kept on disk is read as it was written, or refused as documented."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from django_visualsnoop.engine.descriptors.describe import (
    DESCRIPTION_VERSION,
    VERSION,
    describe,
    invariant_first,
)
from django_visualsnoop.engine.descriptors.descriptor import Descriptor
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.index.base import CandidateQuery
from django_visualsnoop.engine.index.memory import snapshot
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.matching.side_by_side import compare_pictures
from django_visualsnoop.engine.models import Collection, VectorBlock
from django_visualsnoop.engine.replica import vector_blocks
from django_visualsnoop.engine.storage.values import StoredDescriptor
from django_visualsnoop.server.content import transfer_file
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.metadata import read_metadata
from django_visualsnoop.server.content.not_duplicates import list_pairs
from django_visualsnoop.server.content.transfer import import_collection
from tests.engine.index.memory.brute_force import features_of
from tests.formats.write import FOLDER, METADATA, SCENES
from tests.server.hosting import tenant

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = (FOLDER / "picture.jpg").read_bytes()
DESCRIPTOR = FOLDER / f"descriptor-{VERSION}.bin"
THUMBNAIL = FOLDER / "thumbnail.webp"
SNAPSHOT = FOLDER / f"snapshot-{snapshot._FORMAT}-descriptor-{VERSION}.snapshot"
VECTOR_BLOCK = FOLDER / f"vector-block-descriptor-{VERSION}.bin"
EXPORT = FOLDER / f"collection-{transfer_file.VERSION}-descriptor-{VERSION}.jsonl"


@pytest.mark.parametrize(
    "path", [DESCRIPTOR, THUMBNAIL, SNAPSHOT, VECTOR_BLOCK, EXPORT], ids=lambda p: p.name
)
def test_the_present_version_of_each_format_has_a_file(path: Path) -> None:
    assert path.exists(), "Type: python -m tests.formats.write"


def test_a_descriptor_is_read_bit_by_bit_and_compared() -> None:
    content = DESCRIPTOR.read_bytes()
    assert Descriptor.from_bytes(content).to_bytes() == content
    today = describe(decode(PICTURE).pixels, b"").to_bytes()
    found = compare_pictures(
        StoredDescriptor("then", content, 256, 192, 4), StoredDescriptor("now", today, 256, 192, 4)
    )
    assert found.similarity > 0.99


def test_a_thumbnail_is_decoded_and_laid_over_the_picture() -> None:
    descriptor, thumbnail = DESCRIPTOR.read_bytes(), THUMBNAIL.read_bytes()
    then = StoredDescriptor("then", descriptor, 256, 192, DESCRIPTION_VERSION, thumbnail)
    today = describe(decode(PICTURE).pixels, b"")
    assert today.thumbnail is not None
    now = then._replace(vector=today.to_bytes(), thumbnail=today.thumbnail.content)
    found = compare_pictures(then, now)
    assert (found.rank, found.relation) == (0, "copy")
    assert found.difference is not None
    assert found.difference < 0.05


def test_a_snapshot_is_opened_and_searched(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"  # a checkout may belong to another user, whose files are refused
    shutil.copyfile(SNAPSHOT, path)
    segment, facts = snapshot.open_snapshot(path, thoroughly=True)
    assert facts == snapshot.Facts("c0ffee00", 3, 0, [])
    assert set(segment.ids.get_ids(np.arange(segment.size))) == set(SCENES)
    index = DescriptorIndex(invariant_first())
    index.adopt(segment)
    stored = Descriptor.from_bytes(DESCRIPTOR.read_bytes())
    query = CandidateQuery(stored.vector[None], [features_of(stored)], 1)
    (found, *_) = index.find_candidates(query)
    assert found.image_id == "scene 1"
    assert found.cosine > 0.999
    assert found.votes > 0  # local features are in it, too


@pytest.mark.parametrize("version", range(1, snapshot._FORMAT))
def test_a_snapshot_of_an_earlier_format_is_refused(tmp_path: Path, version: int) -> None:
    path = tmp_path / "snapshot"
    shutil.copyfile(FOLDER / f"snapshot-{version}-descriptor-{VERSION}.snapshot", path)
    with pytest.raises(snapshot.SnapshotError, match="another format"):
        snapshot.open_snapshot(path)


def test_a_vector_block_is_read(db: None) -> None:
    row = Collection.objects.create(name="old", key="0" * 64, seq=3, blocks_seq=3)
    VectorBlock.objects.create(collection=row, seq=3, place=0, content=VECTOR_BLOCK.read_bytes())
    segment = vector_blocks.load("default", row.pk, 3)
    assert segment is not None
    assert set(segment.ids.get_ids(np.arange(segment.size))) == set(SCENES)


def test_an_exported_collection_is_imported(db: None) -> None:
    images = HostedImages(tenant().collection)
    with EXPORT.open("rb") as file:
        assert import_collection(images, file, replace=False) == (3, 0, 0)
    assert set(images.store.iterate_ids()) == set(SCENES)
    assert read_metadata(images.collection.pk, SCENES) == {"ä/2": METADATA}
    assert [set(pair) for pair in list_pairs(images)] == [{"ä/2", "日本"}]
    (hit,) = images.gallery.search(PICTURE).hits
    assert hit.image_id == "scene 1"
    assert hit.similarity > 0.99
