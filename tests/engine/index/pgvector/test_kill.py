"""The server killed while entries are written."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.index.pgvector import PgvectorIndex
from django_visualsnoop.engine.index.pgvector.tables import EMBEDDINGS, IMAGES, POSTINGS
from tests import services
from tests.engine.index.outside_contract import (
    build_entry,
    build_query,
    describe_pictures,
    draw_embeddings,
)
from tests.engine.index.pgvector.databases import create_database
from tests.engine.index.pgvector.server import run_server

pytestmark = pytest.mark.service("pgvector")

#: Entries of one call.
TOGETHER = 5
#: Calls that succeed before the server is killed.
CALLS = 10

#: Images whose postings or embedding are not all there, and postings without their image.
_HALF_WRITTEN = f"""
SELECT (SELECT count(*) FROM {IMAGES} i WHERE cardinality(keys) <> (
        SELECT count(*) FROM {POSTINGS} p WHERE p.image = i.number AND p.key = ANY(i.keys))
    OR NOT EXISTS (SELECT FROM {EMBEDDINGS} e WHERE e.image = i.number)),
    (SELECT count(*) FROM {POSTINGS} p WHERE NOT EXISTS (
        SELECT FROM {IMAGES} i WHERE i.number = p.image))
"""


@pytest.mark.skipif(bool(services.PGVECTOR_URL), reason="kills only a server of its own")
def test_nothing_is_half_written_after_a_kill() -> None:
    descriptors, embeddings = describe_pictures(6), draw_embeddings(6)

    def build(row_id: int) -> list[object]:
        return [row_id, descriptors[row_id % 6], embeddings[row_id % 6]]

    with (
        run_server() as server,
        create_database("killed", server.url) as alias,
    ):
        index = PgvectorIndex(alias)
        index.prepare()
        written: list[int] = []
        enough = threading.Event()
        errors: list[Exception] = []

        def write() -> None:
            try:
                for start in range(0, 100_000, TOGETHER):
                    rows = range(start, start + TOGETHER)
                    index.upsert("a", [build_entry(*build(row)) for row in rows])  # type: ignore[arg-type]
                    written.extend(rows)
                    if len(written) >= CALLS * TOGETHER:
                        enough.set()
            except Exception as error:  # noqa: BLE001 -- for the assertion below
                errors.append(error)
            finally:
                enough.set()
                connections.close_all()

        writer = threading.Thread(target=write)
        writer.start()
        assert enough.wait(60)
        server.kill()
        writer.join()
        (error,) = errors
        assert isinstance(error, IndexUnavailable), error
        connections.close_all()
        server.start()
        found = [one.row_id for one in index.list_entries("a", -1, 1_000_000)]
        # What was acknowledged is there, and the last call is there in full or not at all.
        assert found[: len(written)] == written
        assert len(found) in (len(written), len(written) + TOGETHER)
        with connections[alias].cursor() as cursor:
            cursor.execute(_HALF_WRITTEN)
            assert cursor.fetchone() == (0, 0)
        index.upsert("a", [build_entry(*build(row)) for row in range(len(found), len(found) + 6)])  # type: ignore[arg-type]
        query = build_query(descriptors[0], 100)
        votes = [one.votes for one in index.find_candidates("a", query)]
        same = sum(row % 6 == 0 for row in range(len(found) + 6))
        assert votes[:same] == [pytest.approx(len(descriptors[0].codes))] * same
