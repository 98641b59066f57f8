"""Say what was done to the copies of a collection, from their files or from what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_visualsnoop.engine.matching.affine import Subject
from django_visualsnoop.engine.matching.edits import NO_EDITS, describe_edits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.engine.matching.placement import Sized
    from django_visualsnoop.engine.picture_files import PictureFiles


def describe_pairs(
    pairs: Collection[tuple[str, str]],
    known: Mapping[str, Sized],
    digests: Mapping[str, str],
    files: PictureFiles | None,
) -> dict[tuple[str, str], Edits]:
    """Return how the second image of each pair differs from the first; see ``Gallery``.

    Args:
        pairs: pairs of image ids; one and its reverse are compared once.
        known: the descriptors and sizes (pixels) of the images that exist, by id.
        digests: the SHA-256 of their files, in hex, by id.
        files: reads their files; if ``None``, this compares the thumbnails.
    """

    def read(image_id: str) -> Subject | None:
        picture = None if files is None else files.read(image_id, digests[image_id])
        descriptor = known[image_id].descriptor
        if picture is not None:
            return Subject(descriptor, picture.picture.pixels, picture.features)
        thumbnail = descriptor.thumbnail
        pixels = None if thumbnail is None else thumbnail.pixels
        return None if pixels is None else Subject(descriptor, pixels, None)

    found: dict[tuple[str, str], Edits] = {}
    possible = known.keys() & digests.keys()
    for pair in sorted({(min(pair), max(pair)) for pair in pairs if possible.issuperset(pair)}):
        sizes = [known[image_id].size for image_id in pair]
        if digests[pair[0]] == digests[pair[1]]:
            found[pair] = found[pair[::-1]] = NO_EDITS
            continue
        first, second = map(read, pair)
        if first is None or second is None:
            continue
        edits = describe_edits(first, second, sizes[0], sizes[1])
        if edits is not None:
            found[pair], found[pair[::-1]] = edits
    return {pair: found[pair] for pair in pairs if pair in found}
