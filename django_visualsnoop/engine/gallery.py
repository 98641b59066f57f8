"""One collection of the engine: add files, and search."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.common.search_options import (
    COPIES,
    COPY,
    DEFAULT_OPTIONS,
    SIMILAR,
    SearchOptions,
)
from django_visualsnoop.engine.closer_looks import CloserLooks
from django_visualsnoop.engine.described_edits import describe_pairs
from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.embedding import (
    add_embedding,
    get_scale,
    hash_identity,
    is_centred,
)
from django_visualsnoop.engine.exceptions import DecodeError, ImageMissing, build_image_missing
from django_visualsnoop.engine.hits import (
    DEFAULT_LIMIT,
    HitPortions,
    Hits,
    SimilarImages,
    find_copies,
    find_similar,
)
from django_visualsnoop.engine.images.decode import DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, decode
from django_visualsnoop.engine.matching import calibration, placement
from django_visualsnoop.engine.matching.compare import compare
from django_visualsnoop.engine.matching.side_by_side import (
    DescribedImage,
    add_size,
    find_placements_among,
)
from django_visualsnoop.engine.outside.indexes import OutsideIndexes
from django_visualsnoop.engine.pair_budget import select_searched
from django_visualsnoop.engine.pairs import PairFinder, PairHit, add_similarities
from django_visualsnoop.engine.picture_files import PictureFiles
from django_visualsnoop.engine.replica import held, reader
from django_visualsnoop.engine.replica.vector_kinds import DescriptorVectors, EmbeddingVectors
from django_visualsnoop.engine.storage import not_duplicates
from django_visualsnoop.engine.storage.publish import publish
from django_visualsnoop.engine.storage.store import Store
from django_visualsnoop.engine.storage.times import read_clock
from django_visualsnoop.engine.storage.values import NewImage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from django_visualsnoop.common.budgets import Budget
    from django_visualsnoop.common.edits import Edits
    from django_visualsnoop.common.open_pictures import FindPictures
    from django_visualsnoop.engine.descriptors.describe import Probes
    from django_visualsnoop.engine.embedding import EmbeddingModel
    from django_visualsnoop.engine.hits import Hit
    from django_visualsnoop.engine.images.decode import Picture
    from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
    from django_visualsnoop.engine.index.memory.embeddings import EmbeddingIndex
    from django_visualsnoop.engine.outside.view import OutsideView
    from django_visualsnoop.engine.replica.view import ReplicaView

    CopyView = ReplicaView[DescriptorIndex] | OutsideView[DescriptorIndex]
    VectorView = ReplicaView[EmbeddingIndex] | OutsideView[EmbeddingIndex]


class Gallery:
    """Images in a table of the project's database, searched in memory.

    Creating one does not use the database.

    Args:
        database: alias in ``DATABASES``.
        name: name of the collection.
        min_similarity: 0 to 1, the default threshold of searches.
        max_bytes, max_pixels: see ``decode``.
        cache: folder for snapshots of the index; see ``snapshots``. No snapshots if ``None``.
        early: whether a process that has not loaded a large collection yet searches by vectors
            alone until it has; see ``replica``.
        embedding: the model that computes an embedding of each image, for similar pictures; if
            ``None``, searches for similar pictures find nothing.
        memory: bytes that the process may keep of all collections; see ``reader.read_view``.
        capture_times: whether to use the times at which cameras took pictures; see ``capture``.
        outside: the indexes outside the process that the collection may use.
    """

    def __init__(
        self,
        database: str,
        name: str,
        *,
        min_similarity: float = calibration.DEFAULT_MIN_SIMILARITY,
        max_bytes: int = DEFAULT_MAX_BYTES,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        cache: str | None = None,
        early: bool = True,
        embedding: EmbeddingModel | None = None,
        memory: int = held.DEFAULT_MEMORY,
        capture_times: bool = True,
        outside: OutsideIndexes | None = None,
    ) -> None:
        outside = outside or OutsideIndexes(database, name)
        self.store = Store(database, name, follow=outside.follow, forget=outside.drop)
        self._outside = outside
        self._min_similarity = min_similarity
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._cache = cache
        self._early = early
        self._embedding = embedding
        self._memory = memory
        self._capture_times = capture_times

    @property
    def min_similarity(self) -> float:
        """The default threshold of searches, 0 to 1."""
        return self._min_similarity

    @property
    def outside(self) -> OutsideIndexes:
        """The indexes outside the process that the collection may use."""
        return self._outside

    def describe_image(self, content: bytes, image_id: str) -> NewImage:
        """Describe an image file. Does not use the database.

        Raises:
            DecodeError: the bytes are not a picture.
        """
        return self.describe_picture(self.decode_picture(content), content, image_id)

    def describe_picture(self, picture: Picture, content: bytes, image_id: str) -> NewImage:
        """Describe a decoded image file. Does not use the database.

        Args:
            picture: the result of ``decode_picture`` for the file.
            content: the file.
            image_id: the id of the new image.
        """
        digest = sha256(content)
        descriptor = describe.describe(picture.pixels, digest.digest())
        new = NewImage(
            image_id,
            descriptor.to_bytes(),
            describe.DESCRIPTION_VERSION,
            digest.hexdigest(),
            picture.width,
            picture.height,
            thumbnail=None if descriptor.thumbnail is None else descriptor.thumbnail.content,
            capture=None if picture.capture is None else picture.capture.pack(),
        )
        if self._embedding is None:
            return new
        return add_embedding(new, picture.pixels, self._embedding)

    def read_known_digests(self, image_ids: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of the files that describing again would describe as they are.

        The result omits pictures that the model failed to describe, and those that may exceed the
        gallery's limits or have a capture against its options.

        Args:
            image_ids: ids of images.
        """
        try:
            model = "" if self._embedding is None else hash_identity(self._embedding)
        except Exception as error:  # such as a file that is gone and may return
            if is_interruption(error):
                raise
            return {}
        return self.store.read_known_digests(
            image_ids,
            describe.DESCRIPTION_VERSION,
            model,
            max_pixels=self._max_pixels,
            capture_times=self._capture_times,
        )

    def decode_picture(self, content: bytes) -> Picture:
        """Decode an image file, within the gallery's limits.

        The picture has no capture if the gallery does not use capture times.

        Raises:
            DecodeError: the bytes are not a picture.
        """
        picture = decode(content, max_bytes=self._max_bytes, max_pixels=self._max_pixels)
        return picture if self._capture_times else replace(picture, capture=None)

    def search(self, content: bytes, options: SearchOptions = DEFAULT_OPTIONS) -> Hits:
        """Return the images that look like the one in an image file, closest first.

        Args:
            content: the file.
            options: what to search for. ``None`` stands for ``DEFAULT_LIMIT`` matches, and for
                the threshold of the collection for copies, and of the model for similar images.
                The similarity of a copy is a probability; the model says what that of a similar
                image is.

        Raises:
            DecodeError: the bytes are not a picture.
        """
        return self.iterate_hits(content, options).take(options.limit or DEFAULT_LIMIT)

    def search_by_id(self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS) -> Hits:
        """Return the images that look like a stored one, excluding it; see ``search``.

        Raises:
            ImageMissing: the image does not exist, or another version or model described it.
        """
        return self.iterate_hits_by_id(image_id, options).take(options.limit or DEFAULT_LIMIT)

    def iterate_hits(self, content: bytes, options: SearchOptions = DEFAULT_OPTIONS) -> HitPortions:
        """Like ``search``, but in portions; ``limit`` has no effect."""
        picture = self.decode_picture(content)
        probes = describe.build_probes(picture.pixels, sha256(content).digest(), picture.capture)
        view = self._read_view()
        if view is None:
            return HitPortions(None, iter(()))
        portions = self._find_copies(view, probes, options)
        if options.kind == SIMILAR:
            similar = None
            if self._embedding is not None:
                probe, scale = self._embedding.describe(picture.pixels), get_scale(self._embedding)
                vectors = self._read_embedding_view(self._embedding)
                similar = None if vectors is None else SimilarImages(vectors, probe, scale)
            portions = find_similar(portions, similar, options)
        return HitPortions(view.collection_id, portions)

    def iterate_hits_by_id(
        self, image_id: str, options: SearchOptions = DEFAULT_OPTIONS
    ) -> HitPortions:
        """Like ``search_by_id``, but in portions; ``limit`` has no effect."""
        view = self._read_view(image_id)
        if view is None or view.image_row is None:
            raise build_image_missing(image_id)
        stored = view.image_row.parse_descriptor()
        if stored is None:
            raise ImageMissing(
                f"The image {image_id!r} was described by another version. Add it again."
            )
        probes = describe.build_stored_probes(stored)
        portions = self._find_copies(view, probes, options, without=image_id)
        if options.kind == SIMILAR:
            similar = None
            if self._embedding is not None:
                similar = self._read_similar_images(image_id, self._embedding)
            portions = find_similar(portions, similar, options, without=image_id)
        return HitPortions(view.collection_id, portions, view.image_row.image_time)

    def _find_copies(
        self,
        view: CopyView,
        probes: Probes,
        options: SearchOptions,
        without: str | None = None,
    ) -> Iterator[list[Hit]]:
        least = options.min_similarity if options.kind == COPIES else None
        return find_copies(view, probes, options, self._get_min_score(least), without)

    def _read_similar_images(self, image_id: str, model: EmbeddingModel) -> SimilarImages:
        """Return the embeddings, and the one of an image.

        Raises:
            ImageMissing: the image does not exist, or has no embedding of the model.
        """
        view = self._read_embedding_view(model, image_id)
        if view is None or view.image_row is None:
            raise build_image_missing(image_id)
        probe = view.get_vector(image_id)
        if probe is None:
            raise ImageMissing(
                f"The image {image_id!r} was described by another model or version. Add it again."
            )
        return SimilarImages(view, probe, get_scale(model))

    def find_pairs(
        self,
        min_similarity: float | None = None,
        touching: Collection[str] | None = None,
        progress: Callable[[float], object] | None = None,
        among: Callable[[str], bool] | None = None,
        budget: Budget | None = None,
        find_pictures: FindPictures | None = None,
    ) -> Iterator[PairHit]:
        """Yield pairs of copies, each pair once, in any order, without those marked as not
        duplicates.

        For a large group, this yields only as many pairs as connect it; see ``PairFinder``.

        Args:
            min_similarity: 0 to 1; the collection's threshold if ``None``.
            touching: only pairs with at least one of these ids.
            progress: called from time to time with the completed part of the work, 0 to 1.
            among: returns whether the pairs of an id count; all count if ``None``.
            budget: limits the work; no limit if ``None``.
            find_pictures: returns what opens the files of images, to look closer at each pair
                before it is yielded; see ``closer_looks``. No closer look if ``None``.
        """
        most = None if budget is None else budget.comparisons
        closer_looks = None
        if find_pictures is not None:
            closer_looks = self.build_closer_looks(
                find_pictures,
                most=None if budget is None else budget.looks,
                seconds=None if budget is None else budget.looking_seconds,
            )
        finder = self.build_pair_finder(
            min_similarity,
            among=among,
            not_duplicates=self.list_not_duplicates(touching),
            most=most,
            closer_looks=closer_looks,
        )
        if finder is None:
            return
        searched = touching if budget is None else select_searched(self.store, budget, touching)
        found = (
            finder.find_all(progress)
            if searched is None
            else finder.find_touching(searched, progress)
        )
        try:
            for hit in add_similarities(found):
                if touching is None or hit.first_id in touching or hit.second_id in touching:
                    yield hit
        finally:
            if closer_looks is not None:
                closer_looks.close()
        if budget is not None:
            budget.comparisons -= finder.compared
            budget.complete &= finder.complete
            if closer_looks is not None:
                budget.looks -= closer_looks.looks
                budget.looking_seconds -= closer_looks.spent
                budget.complete &= closer_looks.complete

    def build_closer_looks(
        self,
        find_pictures: FindPictures,
        *,
        most: int | None = None,
        seconds: float | None = None,
    ) -> CloserLooks:
        """Return what looks closer at pairs; close it at the end.

        Args:
            find_pictures: returns what opens the files of images.
            most, seconds: see ``CloserLooks``.
        """
        return CloserLooks(
            self.store,
            find_pictures,
            self.decode_picture,
            self._max_bytes,
            most=most,
            seconds=seconds,
        )

    def build_pair_finder(
        self,
        min_similarity: float | None = None,
        *,
        among: Callable[[str], bool] | None = None,
        not_duplicates: Collection[tuple[str, str]] = (),
        most: int | None = None,
        closer_looks: CloserLooks | None = None,
    ) -> PairFinder | None:
        """Return a ``PairFinder`` for several calls; ``None`` if nothing has been written yet.

        Args:
            min_similarity, among: see ``find_pairs``.
            not_duplicates, most, closer_looks: see ``PairFinder``.
        """
        view = self._read_whole_view()
        if view is None:
            return None
        min_score = self._get_min_score(min_similarity)
        return PairFinder(
            view,
            min_score,
            among=among,
            not_duplicates=not_duplicates,
            most=most,
            closer_looks=closer_looks,
        )

    def mark_not_duplicates(
        self, pairs: Collection[tuple[str, str]], *, ignore_missing: bool = False
    ) -> int:
        """Mark pairs of images as not duplicates; see ``storage.not_duplicates.mark_pairs``."""
        return not_duplicates.mark_pairs(self.store, pairs, ignore_missing=ignore_missing)

    def unmark_not_duplicates(self, pairs: Collection[tuple[str, str]]) -> int:
        """Remove the marks of pairs; return how many there were."""
        return not_duplicates.unmark_pairs(self.store, pairs)

    def list_not_duplicates(
        self, image_ids: Collection[str] | None = None
    ) -> list[tuple[str, str]]:
        """Return the marked pairs; see ``storage.not_duplicates.list_pairs``."""
        return not_duplicates.list_pairs(self.store, image_ids)

    def get_change_token(self) -> str | None:
        """Return what ``count_changes_since`` takes; ``None`` until something is written."""
        collection_id = self.store.find_collection_id()
        if collection_id is None:
            return None
        publish(self.store.database, collection_id)
        time = read_clock()
        version = self.store.version()
        return None if version is None else f"{version.collection_id}:{version.seq}:{time}"

    def count_changes_since(self, token: str) -> int | None:
        """Return how many images were added, replaced or described again since a token.

        The result is ``None`` if the token is not one of this collection.
        """
        version = self.store.version()
        parsed = re.fullmatch(r"(\w+):([0-9]{1,18}):([0-9]{1,18})", token)
        if version is None or parsed is None or parsed[1] != version.collection_id:
            return None
        seq, time = int(parsed[2]), int(parsed[3])
        if seq > version.seq:  # the database was restored from a backup
            return None
        return self.store.count_written_since(version._replace(seq=seq), time)

    def compare_files(self, content: bytes, others: Iterable[bytes]) -> Iterator[bool]:
        """Yield for each of other image files whether it is a copy of one. Uses no database.

        Args:
            content: the file, which is described once.
            others: the other files, read lazily. What is not a picture is no copy.

        Raises:
            DecodeError: ``content`` is not a picture.
        """
        picture = self.decode_picture(content)
        probes = describe.build_probes(picture.pixels, sha256(content).digest(), picture.capture)
        for other in others:
            try:
                found = self.decode_picture(other)
            except DecodeError:
                yield False
                continue
            descriptor = describe.describe(found.pixels, sha256(other).digest())
            relation = compare(probes, descriptor._replace(capture=found.capture)).relation
            related = relation.score >= self._get_min_score(None)
            yield related and (relation.name or COPY) == COPY

    def find_placements(
        self, image_id: str, other_ids: Collection[str]
    ) -> dict[str, placement.Placement]:
        """Return where one stored picture is located in others; see ``placement``.

        The result omits ids that do not exist, and pictures in which it could not be located.

        Raises:
            ImageMissing: the image does not exist, or another version described it.
        """
        known = self._read_sized({image_id, *other_ids})
        if image_id not in known:
            raise build_image_missing(image_id)
        return find_placements_among(known[image_id], known, other_ids)

    def describe_edits(
        self, pairs: Collection[tuple[str, str]], find_pictures: FindPictures | None = None
    ) -> dict[tuple[str, str], Edits]:
        """Return how the second image of each pair differs from the first.

        Nothing is said of images that do not exist, and of pictures that cannot be laid over each
        other.

        Args:
            pairs: pairs of image ids; one and its reverse are compared once.
            find_pictures: returns what opens the files of images; if ``None``, or for an image
                without a file, this compares the thumbnails.
        """
        ids = {image_id for pair in pairs for image_id in pair}
        known = self._read_sized(ids)
        digests = {one.image_id: one.digest for one in self.store.read_details(ids).values()}
        files = None
        if find_pictures is not None:
            files = PictureFiles(find_pictures, self.decode_picture, self._max_bytes)
            files.expect(list(digests))

        return describe_pairs(pairs, known, digests, files)

    def find_placements_of(
        self, image: DescribedImage, other_ids: Collection[str]
    ) -> dict[str, placement.Placement]:
        """Return where a picture is located in stored ones; see ``find_placements``."""
        return find_placements_among(add_size(image), self._read_sized(other_ids), other_ids)

    def read_description(self, image_id: str) -> DescribedImage:
        """Return the description of a stored picture, to compare it.

        Raises:
            ImageMissing: the image does not exist, or another version described it.
        """
        for stored in self.store.read_descriptors([image_id]):
            with suppress(ValueError):
                add_size(stored)
                return stored
        raise build_image_missing(image_id)

    def _read_sized(self, image_ids: Collection[str]) -> dict[str, placement.Sized]:
        """Return the pictures that exist and can be compared; one query per some hundred ids."""
        found = {}
        for stored in self.store.read_descriptors(set(image_ids)):
            with suppress(ValueError):
                found[stored.image_id] = add_size(stored)
        return found

    def count_without_embedding(self) -> int:
        """Return how many images the embedding model failed to describe; 0 without a model."""
        if self._embedding is None:
            return 0
        return self.store.count_without_embedding(hash_identity(self._embedding))

    def count_outdated(self) -> int:
        """Return how many images ``iterate_outdated_ids`` yields, or nearly."""
        model = None if self._embedding is None else hash_identity(self._embedding)
        return self.store.count_before_version(describe.DESCRIPTION_VERSION, model)

    def iterate_outdated_ids(self) -> Iterator[str]:
        """Yield the ids of images of an older version, or without an embedding of the model.

        This omits images of a newer version, so that old processes do not undo the work of new
        ones during an upgrade.
        """
        for version in range(1, describe.DESCRIPTION_VERSION):
            yield from self.store.iterate_ids_of_version(version)
        if self._embedding is not None:
            yield from self.store.iterate_ids_of_other_embedding(
                hash_identity(self._embedding), describe.DESCRIPTION_VERSION
            )

    def _read_view(self, image_id: str | None = None) -> CopyView | None:
        kind = DescriptorVectors()
        return self._outside.read_view(kind, image_id=image_id) or reader.read_view(
            self.store.database,
            self.store.key,
            kind,
            image_id,
            cache_folder=self._cache,
            early=self._early,
            most_bytes=self._memory,
        )

    def _read_whole_view(self) -> ReplicaView[DescriptorIndex] | None:
        """Return all images of the collection, for the search for all pairs."""
        return reader.read_view(
            self.store.database,
            self.store.key,
            DescriptorVectors(),
            cache_folder=self._cache,
            early=self._early,
            whole=True,
            most_bytes=self._memory,
        )

    def _read_embedding_view(
        self, model: EmbeddingModel, image_id: str | None = None
    ) -> VectorView | None:
        kind = EmbeddingVectors(hash_identity(model), is_centred(model))
        return self._outside.read_view(kind, kind.name, image_id) or reader.read_view(
            self.store.database,
            self.store.key,
            kind,
            image_id,
            cache_folder=self._cache,
            most_bytes=self._memory,
        )

    def _get_min_score(self, min_similarity: float | None) -> float:
        return calibration.similarity_to_score(
            self._min_similarity if min_similarity is None else min_similarity
        )
