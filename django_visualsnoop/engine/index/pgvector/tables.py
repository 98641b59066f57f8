"""The tables of the index, and the checks of what they need.

They are no models with migrations: a project that keeps its index in memory needs no extension.

- A row of ``COLLECTIONS`` numbers a collection, or the embeddings of one model in it. Dropping a
  collection deletes this row; ``maintenance`` deletes what has lost it.
- ``IMAGES`` has a row for each entry: the signs of its vector, the vector, and the keys of its
  features, by which replacing and deleting find its postings.
- ``POSTINGS`` has a row for each feature, of 16 bytes. Its keys are those of all collections, mixed
  with the number of theirs: then no column of the collection is needed, which would cost another
  2 kB per image. The few postings of others that a search reads by chance count for no image.
- A collection of more than some thousand images gets partial HNSW indexes of its own; see
  ``maintenance``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.index.pgvector.connection import open_cursor

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

COLLECTIONS = "visualsnoop_index_collection"
IMAGES = "visualsnoop_index_image"
POSTINGS = "visualsnoop_index_posting"
EMBEDDINGS = "visualsnoop_index_embedding"
#: Raise it whenever what is stored of an entry changes, such as the bits of ``keys``.
VERSION = 1
#: The first version of pgvector with ``halfvec``, and with HNSW indexes of bits.
OLDEST = (0, 7, 0)
#: The first version that goes on searching an HNSW index until enough rows pass a filter.
ITERATIVE = (0, 8, 0)

#: Any number; two processes prepare one after the other.
_LOCK = 0x56534E4F4F50

_STATEMENTS = f"""
CREATE TABLE IF NOT EXISTS {COLLECTIONS} (
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection_id text NOT NULL,
    model text NOT NULL,
    version int NOT NULL,
    indexed boolean NOT NULL DEFAULT false,
    UNIQUE (collection_id, model, version)
);
CREATE TABLE IF NOT EXISTS {IMAGES} (
    row_id bigint NOT NULL,
    stamp bigint NOT NULL,
    collection int NOT NULL,
    number int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id text COLLATE "C" NOT NULL,
    signs bit(256),
    vector bytea,
    keys int[] NOT NULL,
    UNIQUE (collection, row_id)
);
CREATE INDEX IF NOT EXISTS {IMAGES}_id ON {IMAGES} (collection, image_id);
CREATE TABLE IF NOT EXISTS {POSTINGS} (
    key int NOT NULL,
    image int NOT NULL,
    code bigint NOT NULL
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02);
CREATE INDEX IF NOT EXISTS {POSTINGS}_key ON {POSTINGS} (key, image) INCLUDE (code);
CREATE TABLE IF NOT EXISTS {EMBEDDINGS} (
    collection int NOT NULL,
    image int PRIMARY KEY,
    image_id text COLLATE "C" NOT NULL,
    vector halfvec NOT NULL
);
CREATE INDEX IF NOT EXISTS {EMBEDDINGS}_id ON {EMBEDDINGS} (collection, image_id);
"""

_INSTALL = (
    "Install it on the machine of the server (Debian and Ubuntu: apt-get install "
    "postgresql-VERSION-pgvector, from https://apt.postgresql.org if the distribution has none; a "
    "managed PostgreSQL has it already, or lists it among its extensions)"
)
_CREATE = 'psql --username postgres --dbname {name} --command "{statement}"'


def prepare(database: str) -> None:
    """Create the extension and the tables, unless they exist.

    Raises:
        IndexUnavailable: the database lacks the extension, or the user a privilege.
    """
    with open_cursor(database) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        check_extension(cursor, create=True)
        if not _has_tables(cursor):
            cursor.execute(_STATEMENTS)


def check_extension(cursor: CursorWrapper, *, create: bool = False) -> None:
    """Check that pgvector can be used.

    Args:
        cursor: of the database.
        create: create the extension if it does not exist.

    Raises:
        IndexUnavailable: it cannot be used.
    """
    name = cursor.db.settings_dict["NAME"]
    if find_version(cursor) is None and create:
        _create(cursor, name)
    version = find_version(cursor)
    statement = "CREATE EXTENSION vector"
    if version is None:
        raise IndexUnavailable(
            f"The database {name!r} lacks the extension pgvector. {_INSTALL}, then type: "
            + _CREATE.format(name=name, statement=statement)
        )
    if version < OLDEST:
        raise IndexUnavailable(
            f"The extension pgvector of the database {name!r} has version "
            f"{'.'.join(map(str, version))}; it must be 0.7.0 or newer. {_INSTALL} in a newer "
            "version, then type: "
            + _CREATE.format(name=name, statement="ALTER EXTENSION vector UPDATE")
        )
    cursor.execute(
        "SELECT to_regtype('halfvec') IS NOT NULL, n.nspname FROM pg_extension e"
        " JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"
    )
    visible, schema = cursor.fetchone()
    if not visible:
        raise IndexUnavailable(
            f"The extension pgvector of the database {name!r} is in the schema {schema!r}, which "
            "the search path lacks. Add it: "
            + _CREATE.format(
                name=name,
                statement=f"ALTER ROLE CURRENT_USER SET search_path = public, {schema}",
            ).replace("CURRENT_USER", cursor.db.settings_dict["USER"] or "USER")
        )


def find_version(cursor: CursorWrapper) -> tuple[int, ...] | None:
    """Return the version of the extension in the database; ``None`` if it has not been created."""
    cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    row = cursor.fetchone()
    return None if row is None else tuple(map(int, re.findall(r"\d+", row[0])[:3]))


def _create(cursor: CursorWrapper, name: str) -> None:
    cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")
    if not cursor.fetchone()[0]:
        return
    try:
        with transaction.atomic(using=cursor.db.alias):
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except DatabaseError as error:
        raise IndexUnavailable(
            f"The user {cursor.db.settings_dict['USER']!r} may not create the extension pgvector "
            f"in the database {name!r}. As one who may, type: "
            + _CREATE.format(name=name, statement="CREATE EXTENSION vector")
        ) from error


def _has_tables(cursor: CursorWrapper) -> bool:
    """Whether all tables exist, so that a user who may not create tables can go on."""
    names = [COLLECTIONS, IMAGES, POSTINGS, EMBEDDINGS]
    checks = " AND ".join(f"to_regclass('{name}') IS NOT NULL" for name in names)
    cursor.execute(f"SELECT {checks} AND to_regclass('{EMBEDDINGS}_id') IS NOT NULL")
    return bool(cursor.fetchone()[0])
