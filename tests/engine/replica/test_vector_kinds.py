"""Which rows hold a vector that can be compared."""

from __future__ import annotations

import pytest

from django_visualsnoop.engine.descriptors import describe
from django_visualsnoop.engine.replica.vector_kinds import DescriptorVectors, EmbeddingVectors


@pytest.mark.parametrize(
    ("version", "content"),
    [
        (describe.DESCRIPTION_VERSION, b"vector"),
        (4, b"vector"),  # a release without thumbnails
        (3, None),
        (describe.DESCRIPTION_VERSION + 1, None),
    ],
)
def test_descriptors_of_another_version_are_not_compared(
    version: int, content: bytes | None
) -> None:
    assert DescriptorVectors().extract_content(version, memoryview(b"vector")) == content


@pytest.mark.parametrize(
    ("values", "content"),
    [
        (("model", "file", "file", memoryview(b"embedding")), b"embedding"),
        (("other", "file", "file", b"embedding"), None),
        (("model", "file", "replaced", b"embedding"), None),
        (("model", "file", "file", None), None),
        (("", "", "file", None), None),
    ],
)
def test_embeddings_of_another_model_or_file_are_not_compared(
    values: tuple[object, ...], content: bytes | None
) -> None:
    assert EmbeddingVectors("model").extract_content(*values) == content


def test_the_kinds_of_one_collection_have_different_names() -> None:
    names = {DescriptorVectors().name, EmbeddingVectors("a").name, EmbeddingVectors("b").name}
    assert len(names) == 3
