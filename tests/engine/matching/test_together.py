"""Comparing many pictures at once gives what comparing them one by one gives."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from django_visualsnoop.engine.descriptors.describe import (
    build_probes,
    describe,
    measure_detail,
)
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.matching import calibration
from django_visualsnoop.engine.matching.compare import compare, compare_all
from django_visualsnoop.engine.matching.correlation import correlate
from django_visualsnoop.engine.matching.difference import _find_median, _find_percentiles
from django_visualsnoop.engine.matching.overlap import NO_OVERLAP, measure_overlap
from django_visualsnoop.engine.matching.registration import compute_luma
from django_visualsnoop.engine.matching.verify import _find_supported, verify_all
from tests.conftest import SHARED
from tests.engine.matching.slowly import (
    collect_signs_slowly,
    correlate_slowly,
    verify_slowly,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from django_visualsnoop.engine.descriptors.descriptor import Descriptor

pytestmark = pytest.mark.shared_photos


def edit(picture: Image.Image, number: int) -> NDArray[np.uint8]:
    width, height = picture.size
    edited = [
        picture.resize((width // 2, height // 2)),
        picture.crop((width // 8, height // 6, width, height)),
        ImageOps.mirror(picture),
        picture.rotate(7),
        ImageOps.expand(picture, 30, "navy"),
        ImageOps.invert(picture),
        picture.resize((width, height * 3 // 4)),
    ][number % 7]
    written = io.BytesIO()
    edited.save(written, "JPEG", quality=60)
    return decode(written.getvalue()).pixels


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """60 pictures: 30 photographs, each followed by an edit of it."""
    found = []
    for number, path in enumerate(sorted((SHARED / "photos").iterdir())[::10]):
        with Image.open(path) as opened:
            picture = ImageOps.contain(opened.convert("RGB"), (400, 400))
        found += [np.asarray(picture), edit(picture, number)]
    return found


@pytest.fixture(scope="module")
def described(pictures: list[NDArray[np.uint8]]) -> list[Descriptor]:
    return [describe(pixels) for pixels in pictures]


def test_the_alignments_of_3600_pairs(described: list[Descriptor]) -> None:
    agreeing = 0
    for query in described:
        for stored, found in zip(described, verify_all(query, described), strict=True):
            alone = verify_slowly(query, stored)
            assert found[:5] == alone[:5]
            for ours, theirs in zip(found[5:], alone[5:], strict=True):
                np.testing.assert_array_equal(ours, theirs)
            agreeing += found.inliers > 2
    assert agreeing > 60


def test_the_alignments_of_queries_with_more_features(
    pictures: list[NDArray[np.uint8]], described: list[Descriptor]
) -> None:
    for pixels in pictures[1::20]:
        for query in build_probes(pixels).pictures:
            for stored, found in zip(described, verify_all(query, described), strict=True):
                assert found[:5] == verify_slowly(query, stored)[:5]


def test_pictures_with_few_features_or_very_many_matches(described: list[Descriptor]) -> None:
    query = described[0]
    few = [
        query._replace(codes=query.codes[:count], places=query.places[:count])
        for count in (0, 1, 2, 3, 5)
    ]
    # More pairs of matches than are processed together.
    stored = [*few, *[query] * 20, described[2]]
    for one in (*few, query):
        for other, found in zip(stored, verify_all(one, stored), strict=True):
            assert found[:5] == verify_slowly(one, other)[:5]
    nothing = np.empty((0, 4), dtype=np.uint8)
    assert list(_find_supported(nothing, nothing, np.zeros(3, dtype=np.intp))) == []


def test_the_evidence_of_many_pairs(described: list[Descriptor]) -> None:
    query = described[1]
    matches = verify_all(query, described)
    overlaps = [
        measure_overlap(query, stored, match)
        for stored, match in zip(described, matches, strict=True)
    ]
    cosines = np.linspace(-1, 1, len(described))
    features = [len(stored.codes) for stored in described]
    found = calibration.collect_evidence(cosines, matches, overlaps, features)
    assert any(overlap != NO_OVERLAP for overlap in overlaps)
    for row, cosine, match, overlap, count in zip(
        found, cosines.tolist(), matches, overlaps, features, strict=True
    ):
        signs = collect_signs_slowly(cosine, match, overlap, count)
        assert row[:17].tolist() == signs
        products = [signs[a] * signs[b] for a in range(1, 17) for b in range(a, 17)]
        assert row[17:].tolist() == products


def test_many_comparisons_are_those_of_single_pairs(
    pictures: list[NDArray[np.uint8]], described: list[Descriptor]
) -> None:
    originals, laid_over = described[::2], 0
    for pixels in pictures[1::12]:
        probes = build_probes(pixels)
        for stored, together in zip(originals, compare_all(probes, originals), strict=True):
            alone = compare(probes, stored)
            # The cosines of a product of two matrices have other rounding errors.
            assert together.evidence == pytest.approx(alone.evidence, abs=1e-5)
            assert together.relation.name == alone.relation.name
            assert together.relation.score == pytest.approx(alone.relation.score, abs=1e-3)
            laid_over += together.inputs is not None
    assert laid_over >= 5


def test_the_detail_of_many_vectors(described: list[Descriptor]) -> None:
    found = measure_detail(np.stack([one.vector for one in described]))
    for detail, one in zip(found.tolist(), described, strict=True):
        squares = [int(value) ** 2 for value in one.vector]
        assert detail == sum(squares[:224]) / sum(squares)


@pytest.mark.parametrize(("reach", "window", "noise"), [(3, 5, 4.0), (1, 3, 6.0), (0, 5, 25.0)])
@pytest.mark.parametrize("size", [(128, 96), (44, 128), (12, 12)])
def test_the_correlations_of_all_shifts(
    pictures: list[NDArray[np.uint8]],
    size: tuple[int, int],
    reach: int,
    window: int,
    noise: float,
) -> None:
    small = [compute_luma(cv2.resize(one, size).astype(np.float32)) for one in pictures[:24]]
    for first, second in pairwise(small):
        found = correlate(first, second, reach=reach, window=window, noise=noise)
        slow = correlate_slowly(first, second, reach=reach, window=window, noise=noise)
        for name, ours, theirs in zip(found._fields, found, slow, strict=True):
            np.testing.assert_array_equal(ours, theirs, name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_percentiles_and_medians_are_those_of_numpy(dtype: type) -> None:
    dice = np.random.default_rng(4)
    for count in (*range(1, 30), 500, 768):
        values = dice.normal(0, 10, count).astype(dtype)
        shares = (0, 5, 25, 50, 75, 97, 100)
        found = _find_percentiles(values, shares)
        assert found.tolist() == np.percentile(values, shares).tolist()
        assert _find_median(values) == np.median(values)
