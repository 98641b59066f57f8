"""The collections in Milvus, and how they are created.

Each is behind an alias. So an operator can build one with other index parameters beside it, and
switch the alias. One holds all images; another one for each embedding model, since the length of a
vector is a property of a collection. The partition key is the id of our collection.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django_visualsnoop.engine.descriptors.descriptor import DIMENSIONS, VERSION
from django_visualsnoop.engine.exceptions import IndexUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django_visualsnoop.engine.index.milvus.connection import Connection

#: Raise this whenever what is stored of an image changes; see ``OutsideIndex.version``.
LAYOUT = 1
LAYOUT_VERSION = 100 * VERSION + LAYOUT

#: Edges of a node of the graph, and the nodes compared to find them (Y. Malkov, D. Yashunin,
#: Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
#: graphs, TPAMI 2018).
_HNSW = {"M": 16, "efConstruction": 200}
#: Bytes; an id has at most 100 characters.
_ID_BYTES = 400


class Names:
    """The names of the collections.

    Args:
        prefix: what they start with.
    """

    def __init__(self, prefix: str) -> None:
        #: Alias of the collection of all images.
        self.images = f"{prefix}_images_v{LAYOUT_VERSION}"
        self._embeddings = f"{prefix}_embeddings_v{LAYOUT_VERSION}_"

    def get_embeddings(self, model: str) -> str:
        """Return the alias of the collection of a model's embeddings."""
        return f"{self._embeddings}{model}"

    def list_models(self, connection: Connection) -> list[str]:
        """Return the models that have a collection."""
        names = connection.run(lambda client: client.list_collections(timeout=connection.timeout))
        start = len(self._embeddings)
        found = {
            name[start:].rpartition("_")[0] for name in names if name.startswith(self._embeddings)
        }
        return sorted(found)


def prepare_images(connection: Connection, names: Names) -> None:
    """Create the collection of all images, unless it exists."""
    from pymilvus import DataType

    def build(schema: Any) -> None:
        schema.add_field("stamp", DataType.INT64)
        schema.add_field("embedding_model", DataType.VARCHAR, max_length=64)
        schema.add_field("has_descriptor", DataType.BOOL)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSIONS)
        schema.add_field("keys", DataType.SPARSE_FLOAT_VECTOR)

    sparse = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP"}
    _prepare(connection, names.images, build, {"keys": sparse})


def prepare_embeddings(connection: Connection, names: Names, model: str, width: int) -> None:
    """Create the collection of a model's embeddings, unless it exists.

    Args:
        connection: the server.
        names: the names of its collections.
        model: ``embedding.hash_identity`` of the model.
        width: the number of values of a vector.
    """
    from pymilvus import DataType

    def build(schema: Any) -> None:
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=width)

    _prepare(connection, names.get_embeddings(model), build, {})


def read_width(connection: Connection, alias: str) -> int:
    """Return the number of values of the vectors of a collection."""
    fields = connection.call("describe_collection", alias)["fields"]
    (width,) = (int(one["params"]["dim"]) for one in fields if one["name"] == "vector")
    return width


def _prepare(
    connection: Connection,
    alias: str,
    build: Callable[[Any], None],
    further: Mapping[str, dict[str, Any]],
) -> None:
    """Create a collection, its indexes and its alias, as far as they do not exist.

    The alias comes last: what has one is complete. Two processes may do this at the same time.
    """
    name = f"{alias}_0"
    if not connection.call("has_collection", alias):
        _create_unless(
            lambda: connection.call("has_collection", name),
            lambda: _create(connection, name, build),
        )
        dense = {"index_type": "HNSW", "metric_type": "COSINE", "params": _HNSW}
        indexes: dict[str, dict[str, Any]] = {
            "vector": dense,
            "image_key": {"index_type": "INVERTED"},
            **further,
        }
        for field, parameters in indexes.items():
            _create_unless(
                partial(_has_index, connection, name, field),
                partial(_create_index, connection, name, field, parameters),
            )
        _create_unless(
            lambda: connection.call("has_collection", alias),
            lambda: connection.call("create_alias", name, alias=alias),
        )
    connection.call("load_collection", alias)


def _create_unless(exists: Callable[[], bool], create: Callable[[], object]) -> None:
    """Create something unless it exists, or another process creates it meanwhile."""
    if exists():
        return
    try:
        create()
    except IndexUnavailable:
        if not exists():
            raise


def _create(connection: Connection, name: str, build: Callable[[Any], None]) -> None:
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    schema.add_field("pk", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("collection_id", DataType.VARCHAR, max_length=64, is_partition_key=True)
    schema.add_field("row_id", DataType.INT64)
    schema.add_field("image_id", DataType.VARCHAR, max_length=_ID_BYTES)
    schema.add_field("image_key", DataType.INT64)
    build(schema)
    # The default for whoever else asks; we always say which we want.
    connection.call("create_collection", name, schema=schema, consistency_level="Strong")


def _has_index(connection: Connection, name: str, field: str) -> bool:
    return field in connection.call("list_indexes", name)


def _create_index(
    connection: Connection, name: str, field: str, parameters: dict[str, Any]
) -> None:
    from pymilvus import MilvusClient

    indexes = MilvusClient.prepare_index_params()
    indexes.add_index(field_name=field, index_name=field, **parameters)
    connection.call("create_index", name, index_params=indexes)
