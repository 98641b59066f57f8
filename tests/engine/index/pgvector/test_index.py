"""What the index in PostgreSQL does beyond other indexes: transactions, plans, and its errors."""

from __future__ import annotations

import secrets
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.db import connections, transaction
from django.db.transaction import TransactionManagementError

from django_visualsnoop.engine.descriptors.describe import build_probes, build_stored_probes
from django_visualsnoop.engine.exceptions import IndexUnavailable
from django_visualsnoop.engine.index.memory.descriptors import DescriptorIndex
from django_visualsnoop.engine.index.pgvector import PgvectorIndex, maintenance, tables
from django_visualsnoop.engine.index.pgvector.encoding import (
    build_mixed_keys,
    count_steady,
    format_signs,
    format_texts,
    mix_keys,
)
from django_visualsnoop.engine.index.pgvector.tables import (
    COLLECTIONS,
    EMBEDDINGS,
    IMAGES,
    POSTINGS,
)
from django_visualsnoop.engine.search import build_candidate_query
from tests.engine.index.memory.brute_force import made
from tests.engine.index.outside_contract import (
    MODEL,
    build_entry,
    build_query,
    describe_pictures,
    draw_embeddings,
    draw_picture,
    get_ids,
)
from tests.engine.index.pgvector.databases import add_alias
from tests.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.service("pgvector")


@pytest.fixture
def index(database: str) -> PgvectorIndex:
    index = PgvectorIndex(database)
    index.prepare()
    return index


@pytest.fixture
def collection_id() -> str:
    return secrets.token_hex(4)


def select(database: str, statement: str, *parameters: Any) -> Any:
    """Return the first column of the first row."""
    with connections[database].cursor() as cursor:
        cursor.execute(statement, parameters)
        (found, *_) = cursor.fetchone()
    return found


def count_rows(database: str) -> list[int]:
    tables = (COLLECTIONS, IMAGES, POSTINGS, EMBEDDINGS)
    return [select(database, f"SELECT count(*) FROM {table}") for table in tables]


def list_numbers(database: str, collection_id: str) -> list[int]:
    with connections[database].cursor() as cursor:
        cursor.execute(
            f"SELECT number FROM {COLLECTIONS} WHERE collection_id = %s ORDER BY model",
            [collection_id],
        )
        return [number for (number,) in cursor.fetchall()]


# Transactions


def test_a_rollback_leaves_nothing(index: PgvectorIndex, database: str, collection_id: str) -> None:
    (descriptor,) = describe_pictures(1)
    before = count_rows(database)
    with transaction.atomic(using=database):
        index.upsert(collection_id, [build_entry(1, descriptor, draw_embeddings(1)[0])])
        assert index.count(collection_id) == 1
        assert in_thread(lambda: index.count(collection_id)) == 0
        transaction.set_rollback(True, using=database)
    assert count_rows(database) == before


def test_a_rollback_keeps_what_was_replaced_deleted_and_dropped(
    index: PgvectorIndex, database: str, collection_id: str
) -> None:
    one, other = describe_pictures(2)
    index.upsert(collection_id, [build_entry(1, one), build_entry(2, other)])
    before = count_rows(database)
    with transaction.atomic(using=database):
        index.upsert(collection_id, [build_entry(1, other, stamp=5)])
        index.delete(collection_id, [2])
        index.drop(collection_id)
        transaction.set_rollback(True, using=database)
    assert count_rows(database) == before
    (found, *_) = index.find_candidates(collection_id, build_query(one))
    assert (found.image_id, found.votes) == ("image 1", len(one.codes))


def test_nothing_is_left_of_what_was_deleted(empty_database: str) -> None:
    index = PgvectorIndex(empty_database)
    index.prepare()
    entries = [
        build_entry(number, one, embedding)
        for number, (one, embedding) in enumerate(
            zip(describe_pictures(5), draw_embeddings(5), strict=True)
        )
    ]
    index.upsert("a", entries)
    index.upsert("b", entries[:2])
    assert count_rows(empty_database)[1:] == [7, 7 * 128, 7]
    index.delete("a", [0, 1, 2, 3, 4])
    assert count_rows(empty_database)[1:] == [2, 2 * 128, 2]
    index.drop("b")
    index.maintain()
    assert count_rows(empty_database) == [2, 0, 0, 0]


def test_a_search_leaves_the_settings_of_the_callers_transaction(
    index: PgvectorIndex, database: str, collection_id: str
) -> None:
    (descriptor,) = describe_pictures(1)
    index.upsert(collection_id, [build_entry(1, descriptor)])
    with transaction.atomic(using=database):
        assert index.find_candidates(collection_id, build_query(descriptor))
        assert select(database, "SHOW enable_seqscan") == "on"
    connection = connections[database]
    connection.set_autocommit(False)
    try:
        index.upsert(collection_id, [build_entry(2, descriptor)])
        assert len(index.find_candidates(collection_id, build_query(descriptor))) == 2
        connection.rollback()
    finally:
        connection.set_autocommit(True)
    assert index.count(collection_id) == 1


def test_an_error_leaves_the_callers_transaction_usable(empty_database: str) -> None:
    index = PgvectorIndex(empty_database)
    (descriptor,) = describe_pictures(1)
    with transaction.atomic(using=empty_database):
        with pytest.raises(IndexUnavailable, match="visualsnoop_move_index"):
            index.upsert("a", [build_entry(1, descriptor)])
        with pytest.raises(IndexUnavailable, match="visualsnoop_move_index"):
            index.find_candidates("a", build_query(descriptor))
        assert select(empty_database, "SELECT 1") == 1


# Candidates


def test_votes_by_keys_are_some_of_the_votes_by_codes(
    index: PgvectorIndex, collection_id: str
) -> None:
    descriptors = describe_pictures(8)
    entries = [build_entry(number, one) for number, one in enumerate(descriptors)]
    index.upsert(collection_id, entries)
    memory = DescriptorIndex()
    for one in entries:
        memory.put(one.image_id, one.descriptor or b"")
    for query in (
        build_candidate_query(build_stored_probes(descriptors[3]), 20),
        build_candidate_query(build_probes(draw_picture(3)[20:220, 50:300]), 20),
    ):
        votes = {one.image_id: one.votes for one in memory.find_candidates(query)}
        found = index.find_candidates(collection_id, query)
        assert all(one.votes <= votes[one.image_id] + 1e-4 for one in found)
    by_id = index.find_candidates(
        collection_id, build_candidate_query(build_stored_probes(descriptors[3]), 20)
    )
    assert by_id[0].votes == pytest.approx(len(descriptors[3].codes))


def test_postings_of_other_collections_count_for_no_image(
    index: PgvectorIndex, database: str, collection_id: str
) -> None:
    """The keys of two collections may be equal after mixing."""
    one, other = describe_pictures(2)
    other_id = secrets.token_hex(4)
    index.upsert(collection_id, [build_entry(1, one)])
    index.upsert(other_id, [build_entry(2, other)])
    mine, others = (
        select(
            database,
            f"SELECT i.number FROM {IMAGES} i JOIN {COLLECTIONS} c ON c.number = i.collection"
            " WHERE c.collection_id = %s",
            name,
        )
        for name in (collection_id, other_id)
    )
    with transaction.atomic(using=database):
        with connections[database].cursor() as cursor:
            cursor.execute(f"UPDATE {POSTINGS} SET image = %s WHERE image = %s", [others, mine])
        no_probes = np.empty((0, 256), np.int8)
        query = build_query(one, probes=no_probes)
        assert index.find_candidates(collection_id, query) == []
        assert index.find_candidates(other_id, query) == []
        transaction.set_rollback(True, using=database)
    assert get_ids(index.find_candidates(collection_id, query)) == ["image 1"]


def test_mixed_keys_of_two_collections_differ_and_can_be_told_apart() -> None:
    keys = np.random.default_rng(1).integers(0, 2**32, 50, dtype=np.uint32)
    assert not set(mix_keys(keys, 1).tolist()) & set(mix_keys(keys, 2).tolist())
    back = mix_keys(mix_keys(keys, 7).view(np.uint32), 7).view(np.uint32)
    assert back.tolist() == keys.tolist()


def test_what_is_stored_changes_with_the_version_only() -> None:
    """Entries written before would not be found. If this fails, raise ``tables.VERSION``."""
    dice = np.random.default_rng(5)
    one = made(dice, 128, 2**20)
    keys = build_mixed_keys(one, 3).tobytes()
    signs = format_signs(one.vector[None])[0].encode()
    assert (tables.VERSION, sha256(keys + signs).hexdigest()[:16]) == (1, "d41ee476e286b79e")


def test_all_orientations_of_a_picture_have_the_same_steady_signs() -> None:
    (descriptor,) = describe_pictures(1)
    signs = format_signs(build_stored_probes(descriptor).vectors)
    assert len({one[: count_steady()] for one in signs}) == 1
    assert len(set(signs)) == 8


@pytest.mark.parametrize(
    "values", [[], ["a"], ["", "b,c"], ['"', "\\", "'", "%s", "{}", "NULL", " é\n"], ["a\0b", "c"]]
)
def test_ids_reach_the_server_as_they_are(database: str, values: list[str]) -> None:
    statement = "SELECT array_agg(one) FROM unnest(%s::text[]) one"
    found = select(database, statement, format_texts(values))
    assert (found or []) == [one for one in values if "\0" not in one]


# Maintenance


def test_a_grown_collection_is_searched_by_its_index(database: str, collection_id: str) -> None:
    index = PgvectorIndex(database, exact=4)
    index.prepare()
    dice = np.random.default_rng(3)
    vectors = dice.integers(-127, 128, (300, 256), dtype=np.int8)
    embeddings = draw_embeddings(300)
    (plain,) = describe_pictures(1)
    plain = plain._replace(codes=plain.codes[:0], words=plain.words[:0], places=plain.places[:0])
    entries = [
        build_entry(number, plain._replace(vector=vectors[number]), embeddings[number])
        for number in range(300)
    ]
    index.upsert(collection_id, entries)
    index.maintain()
    names = [
        maintenance.name_index(table, number)
        for table, number in zip(
            (IMAGES, EMBEDDINGS), list_numbers(database, collection_id), strict=True
        )
    ]
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass"
    for name in names:
        assert select(database, valid, name)

    def count_scans() -> list[int]:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        scans = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = %s"
        return [select(database, scans, name) for name in names]

    before = count_scans()
    for number in range(0, 300, 50):
        probes = build_stored_probes(plain._replace(vector=vectors[number]))
        found = index.find_candidates(collection_id, build_candidate_query(probes, 20))
        assert found[0].image_id == f"image {number}"
        assert len(found) == 20
        closest = next(index.iter_closest(collection_id, MODEL, embeddings[number]))
        assert closest[0].image_id == f"image {number}"
    # Filters that pass many, or few.
    allowed = frozenset(f"image {number}" for number in range(0, 300, 2))
    probes = build_stored_probes(plain._replace(vector=vectors[4]))
    found = index.find_candidates(
        collection_id, build_candidate_query(probes, 20, frozenset(allowed))
    )
    assert found[0].image_id == "image 4"
    assert set(get_ids(found)) <= allowed
    assert len(found) == 20
    after = count_scans()
    assert all(new > old for new, old in zip(after, before, strict=True))
    few = frozenset({"image 4", "image 8"})
    found = index.find_candidates(collection_id, build_candidate_query(probes, 20, few))
    assert set(get_ids(found)) == few
    assert count_scans()[0] == after[0]
    # All images come once, whether the index has them or not.
    everything = chain.from_iterable(index.iter_closest(collection_id, MODEL, embeddings[0]))
    assert sorted(get_ids(everything)) == sorted(one.image_id for one in entries)
    # A collection that has shrunk loses the indexes.
    index.delete(collection_id, list(range(2, 300)))
    index.maintain()
    for name in names:
        assert select(database, "SELECT to_regclass(%s)", name) is None
    assert len(index.find_candidates(collection_id, build_candidate_query(probes, 20))) == 2


def test_one_process_maintains_at_a_time(index: PgvectorIndex, database: str) -> None:
    with maintenance._lock(database) as alone:
        assert alone
        in_thread(lambda: [index.maintain()])  # type: ignore[func-returns-value]
    with maintenance._lock(database) as alone:
        assert alone


def test_maintenance_refuses_a_transaction(index: PgvectorIndex, database: str) -> None:
    with pytest.raises(TransactionManagementError), transaction.atomic(using=database):
        index.maintain()


# What is missing


def test_another_database_is_refused() -> None:
    with (
        add_alias("lite", "sqlite:///:memory:", ENGINE="django.db.backends.sqlite3") as alias,
        pytest.raises(IndexUnavailable, match='"memory"'),
    ):
        PgvectorIndex(alias).prepare()


def test_a_server_that_is_down_is_said_so() -> None:
    url = "postgresql://someone:s3cret@127.0.0.1:1/none"
    with (
        add_alias("down", url) as alias,
        pytest.raises(IndexUnavailable, match="cannot be used") as caught,
    ):
        PgvectorIndex(alias).count("a")
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def plain_user(empty_database: str, server_url: str) -> Iterator[str]:
    """The alias of the empty database for a user without any right but to connect."""
    name = f"visualsnoop_{secrets.token_hex(4)}"
    with connections[empty_database].cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'")
    values = {"NAME": connections[empty_database].settings_dict["NAME"]}
    with add_alias("plain", server_url, **values, USER=name, PASSWORD="plain") as alias:
        yield alias
    with connections[empty_database].cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_a_user_without_rights_learns_what_to_type(empty_database: str, plain_user: str) -> None:
    index = PgvectorIndex(plain_user)
    with pytest.raises(IndexUnavailable, match='--command "CREATE EXTENSION vector"'):
        index.prepare()
    with connections[empty_database].cursor() as cursor:
        cursor.execute("CREATE EXTENSION vector")
    with pytest.raises(IndexUnavailable, match="permission denied"):
        index.prepare()
    PgvectorIndex(empty_database).prepare()
    index.prepare()  # nothing is left to create
    with pytest.raises(IndexUnavailable, match="permission denied"):
        index.count("a")


def test_an_extension_that_is_too_old_is_named(empty_database: str) -> None:
    with connections[empty_database].cursor() as cursor:
        cursor.execute("CREATE EXTENSION vector")
        cursor.execute("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'")
    with pytest.raises(IndexUnavailable, match=r"0\.6\.2.*ALTER EXTENSION vector UPDATE"):
        PgvectorIndex(empty_database).prepare()


def test_an_extension_outside_the_search_path_is_named(empty_database: str) -> None:
    with connections[empty_database].cursor() as cursor:
        cursor.execute("CREATE SCHEMA elsewhere; CREATE EXTENSION vector SCHEMA elsewhere")
    with pytest.raises(IndexUnavailable, match="SET search_path = public, elsewhere"):
        PgvectorIndex(empty_database).prepare()


def test_a_server_without_the_extension_says_what_to_install(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_create", lambda cursor, name: None)
    with pytest.raises(IndexUnavailable, match="apt-get install postgresql-VERSION-pgvector"):
        PgvectorIndex(empty_database).prepare()
