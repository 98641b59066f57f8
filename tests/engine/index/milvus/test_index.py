"""What is special about Milvus; ``test_contract`` has what all indexes do."""

from __future__ import annotations

import secrets
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from django_visualsnoop.engine.index.milvus import (
    MilvusIndex,
    candidates,
    closest,
    filters,
    writing,
)
from tests.engine.index.milvus.server import TOKEN
from tests.engine.index.outside_contract import (
    MODEL,
    WIDTH,
    build_entry,
    build_query,
    describe_pictures,
    draw_embeddings,
    get_ids,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.service("milvus")


@pytest.fixture
def collection_id() -> str:
    return secrets.token_hex(4)


def test_many_allowed_ids_take_several_searches(
    milvus_index: MilvusIndex, collection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "TOGETHER", 2)
    monkeypatch.setattr(closest, "FIRST_PORTION", 3)
    descriptors, embeddings = describe_pictures(8), draw_embeddings(8)
    milvus_index.upsert(
        collection_id,
        [
            build_entry(number, descriptor, embedding)
            for number, (descriptor, embedding) in enumerate(
                zip(descriptors, embeddings, strict=True)
            )
        ],
    )
    allowed = {f"image {number}" for number in range(1, 8)}
    query = build_query(descriptors[5], 3, allowed=allowed, views=[])
    every = milvus_index.find_candidates(collection_id, build_query(descriptors[5], 8, views=[]))
    found = milvus_index.find_candidates(collection_id, query)
    assert found == [one for one in every if one.image_id in allowed][:3]
    portions = list(milvus_index.iter_closest(collection_id, MODEL, embeddings[5], allowed))
    assert len(portions) > 1
    expected = chain.from_iterable(milvus_index.iter_closest(collection_id, MODEL, embeddings[5]))
    wanted = [one for one in expected if one.image_id in allowed]
    assert list(chain.from_iterable(portions)) == wanted


def test_images_beyond_the_largest_search_are_compared_as_well(
    milvus_index: MilvusIndex, collection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closest, "MOST", 20)
    monkeypatch.setattr(closest, "FIRST_PORTION", 4)
    embeddings = draw_embeddings(60)
    milvus_index.upsert(
        collection_id, [build_entry(n, None, one) for n, one in enumerate(embeddings)]
    )
    portions = list(milvus_index.iter_closest(collection_id, MODEL, embeddings[7]))
    found = list(chain.from_iterable(portions))
    assert sorted(get_ids(found)) == sorted(f"image {number}" for number in range(60))
    assert found == sorted(found, key=lambda one: (-one.cosine, one.image_id))
    close = milvus_index.iter_closest(collection_id, MODEL, embeddings[7], min_cosine=0.0)
    assert list(chain.from_iterable(close)) == [one for one in found if one.cosine >= 0]


def test_a_search_for_more_than_milvus_returns(
    milvus_index: MilvusIndex, collection_id: str
) -> None:
    (descriptor,) = describe_pictures(1)
    milvus_index.upsert(collection_id, [build_entry(1, descriptor)])
    query = build_query(descriptor, 10 * candidates.MOST)
    assert get_ids(milvus_index.find_candidates(collection_id, query)) == ["image 1"]


def test_many_entries_take_several_requests(
    milvus_index: MilvusIndex, collection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "TOGETHER", 3)
    embeddings = draw_embeddings(8)
    entries = [build_entry(number, None, one) for number, one in enumerate(embeddings)]
    milvus_index.upsert(collection_id, entries)
    assert [one.row_id for one in milvus_index.list_entries(collection_id, -1, 9)] == [*range(8)]
    milvus_index.delete(collection_id, range(7))
    assert [one.row_id for one in milvus_index.list_entries(collection_id, -1, 9)] == [7]
    (portion,) = milvus_index.iter_closest(collection_id, MODEL, embeddings[0])
    assert get_ids(portion) == ["image 7"]


def test_an_embedding_of_another_length_is_left_out(
    milvus_index: MilvusIndex, collection_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    (embedding,) = draw_embeddings(1)
    milvus_index.upsert(collection_id, [build_entry(n, None, embedding) for n in (1, 2)])
    longer = np.ones(2 * WIDTH, np.int8)
    milvus_index.upsert(collection_id, [build_entry(1, None, longer)])
    assert milvus_index.get_vector(collection_id, MODEL, "image 1") is None
    assert milvus_index.get_vector(collection_id, MODEL, "image 2") is not None
    assert milvus_index.count(collection_id) == 2
    assert f"1 embedding has another length than the {WIDTH} values" in caplog.text


def test_an_id_of_two_rows_is_found_once(milvus_index: MilvusIndex, collection_id: str) -> None:
    """As while the entry of a row that was deleted is still there."""
    (descriptor,) = describe_pictures(1)
    old, new = draw_embeddings(2)
    milvus_index.upsert(
        collection_id,
        [
            build_entry(1, descriptor, old, image_id="a"),
            build_entry(2, descriptor, new, image_id="a"),
        ],
    )
    assert get_ids(milvus_index.find_candidates(collection_id, build_query(descriptor))) == ["a"]
    closest = milvus_index.iter_closest(collection_id, MODEL, old)
    assert get_ids(chain.from_iterable(closest)) == ["a"]
    found = milvus_index.get_vector(collection_id, MODEL, "a")
    assert found is not None
    assert found.tolist() == new.tolist()


def test_prefixes_separate_projects(milvus_index: MilvusIndex, milvus_uri: str) -> None:
    prefix = f"{milvus_index._names.images[:13]}_b"
    other = MilvusIndex(milvus_uri, token=TOKEN, prefix=prefix)
    other.prepare()
    milvus_index.upsert("same", [build_entry(1)])
    assert (milvus_index.count("same"), other.count("same")) == (1, 0)
    other.drop("same")
    assert milvus_index.count("same") == 1


@pytest.mark.parametrize("consistency", ["Strong", "Session", "Bounded", "Eventually"])
def test_searches_ask_for_the_consistency(
    milvus_index: MilvusIndex, milvus_uri: str, consistency: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = milvus_index._names.images.partition("_images")[0]
    index = MilvusIndex(milvus_uri, token=TOKEN, prefix=prefix, consistency=consistency)
    asked: dict[str, set[Any]] = {}
    call: Callable[..., Any] = index._connection.call

    def record(method: str, collection: str, **arguments: Any) -> Any:
        asked.setdefault(method, set()).add(arguments.get("consistency_level"))
        return call(method, collection, **arguments)

    (descriptor,), (embedding,) = describe_pictures(1), draw_embeddings(1)
    index.upsert("c", [build_entry(1, descriptor, embedding)])
    monkeypatch.setattr(index._connection, "call", record)
    index.find_candidates("c", build_query(descriptor))
    next(index.iter_closest("c", MODEL, embedding))
    assert asked["search"] == {consistency}
    asked.clear()
    index.get_vector("c", MODEL, "image 1")
    assert asked["query"] == {consistency}
    asked.clear()
    index.count("c")
    assert asked["query"] == {"Strong"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"uri": "127.0.0.1:19530"}, r"uri must be the address of a server, such as"),
        ({"uri": "./milvus.db"}, r"uri must be the address of a server, such as"),
        ({"uri": "http://"}, r"uri must be the address of a server, such as"),
        ({"uri": "http://host:port"}, r"uri must be the address of a server, such as"),
        ({"prefix": "1 a"}, r"prefix must .* not '1 a'"),
        ({"consistency": "strong"}, r"consistency must be one of 'Strong', .* not 'strong'"),
        ({"timeout": 0}, r"timeout must be a number of seconds above 0, not 0"),
    ],
)
def test_bad_arguments(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MilvusIndex(**{"uri": "http://127.0.0.1", **given})


def test_an_address_has_a_default_port() -> None:
    assert repr(MilvusIndex("https://example.com/db")).startswith("<MilvusIndex: example.com:443,")
    assert repr(MilvusIndex("http://[::1]")).startswith("<MilvusIndex: [::1]:19530,")
