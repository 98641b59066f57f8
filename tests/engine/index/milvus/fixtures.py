from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.engine.index.milvus import MilvusIndex
from tests.engine.index.milvus.server import TOKEN, URI, LiteServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def milvus_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for all tests."""
    if URI is not None:
        yield URI
        return
    server = LiteServer(tmp_path_factory.mktemp("milvus"))
    server.start()
    yield server.uri
    server.kill()


@pytest.fixture(scope="session")
def milvus_prefix(milvus_uri: str) -> Iterator[str]:
    """What the names of the tests' collections start with; they are dropped in the end."""
    prefix = f"test_{secrets.token_hex(4)}"
    yield prefix
    drop_collections(MilvusIndex(milvus_uri, token=TOKEN, prefix=prefix), prefix)


@pytest.fixture
def milvus_index(milvus_uri: str, milvus_prefix: str) -> MilvusIndex:
    index = MilvusIndex(milvus_uri, token=TOKEN, prefix=milvus_prefix)
    index.prepare()
    return index


def drop_collections(index: MilvusIndex, prefix: str) -> None:
    """Remove all that an index has created."""

    def drop(client: Any) -> None:
        for name in client.list_collections():
            if name.startswith(prefix):
                for alias in client.list_aliases(name)["aliases"]:
                    client.drop_alias(alias)
                client.drop_collection(name)

    index._connection.run(drop)
