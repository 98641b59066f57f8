"""Write one file of every format, in its present version: python -m tests.formats.write"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import django
from PIL import Image

if TYPE_CHECKING:
    from django_visualsnoop.server.content.metadata import Value

FOLDER = Path(__file__).parent
#: Image id → scene of its picture.
SCENES = {"scene 1": 1, "ä/2": 2, "日本": 3}
METADATA: dict[str, Value] = {"shop": "north", "price": 12.5, "sold": False}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        write_files()
    finally:
        teardown_databases(databases, verbosity=0)


def write_files() -> None:
    from django_visualsnoop.engine.descriptors.describe import VERSION, invariant_first
    from django_visualsnoop.engine.index.memory import snapshot
    from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
    from django_visualsnoop.engine.replica import vector_blocks
    from django_visualsnoop.server.content import not_duplicates, transfer, transfer_file
    from django_visualsnoop.server.content.images import HostedImages
    from tests.collections.contract import image
    from tests.server.hosting import tenant

    pictures = {image_id: as_jpeg(image(scene)) for image_id, scene in SCENES.items()}
    (FOLDER / "picture.jpg").write_bytes(pictures["scene 1"])
    images = HostedImages(tenant().collection)
    for image_id, content in pictures.items():
        images.add(images.describe(content, image_id), METADATA if image_id == "ä/2" else {})
    not_duplicates.mark_pair(images, not_duplicates.make_pair("ä/2", "日本"))
    index = DescriptorIndex(invariant_first())
    for stored in images.store.read_descriptors(SCENES):
        index.put(stored.image_id, bytes(stored.vector))
        if stored.image_id == "scene 1":
            (FOLDER / f"descriptor-{VERSION}.bin").write_bytes(stored.vector)
            assert stored.thumbnail is not None
            (FOLDER / "thumbnail.webp").write_bytes(stored.thumbnail)
    parts = index.list_parts()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new"
        snapshot.write_snapshot(path, parts, snapshot.Facts("c0ffee00", 3, 0, []))
        name = f"snapshot-{snapshot._FORMAT}-descriptor-{VERSION}.snapshot"
        (FOLDER / name).write_bytes(path.read_bytes())
    (block,) = vector_blocks._encode_contents(parts)
    (FOLDER / f"vector-block-descriptor-{VERSION}.bin").write_bytes(block)
    exported = b"".join(transfer.export_collection(images))
    name = f"collection-{transfer_file.VERSION}-descriptor-{VERSION}.jsonl"
    (FOLDER / name).write_bytes(exported)


def as_jpeg(content: bytes) -> bytes:
    written = io.BytesIO()
    Image.open(io.BytesIO(content)).save(written, "JPEG", quality=80)
    return written.getvalue()


if __name__ == "__main__":
    main()
