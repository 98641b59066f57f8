"""What one search sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_visualsnoop.common.search_options import SearchOptions
from django_visualsnoop.engine.models import key_of
from django_visualsnoop.engine.replica import reader
from django_visualsnoop.engine.replica.vector_kinds import DescriptorVectors
from tests.collections.contract import image
from tests.engine.replica.searching import committing

if TYPE_CHECKING:
    from django_visualsnoop.collections.local import LocalCollection


@committing
def test_candidates_are_read_by_their_keys(collection: LocalCollection) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the others choose by what they counted")
    list(collection.add_images((str(number), image(1)) for number in range(3)))
    with CaptureQueriesContext(connection) as captured:
        collection.search_images(image(1), SearchOptions(limit=300))
        view = reader.read_view("default", key_of("shop"), DescriptorVectors())
        assert view is not None
        view.read_descriptors([str(number) for number in range(40)])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured[-1]['sql']}")
        (plan,) = cursor.fetchall()
    assert "(collection_id=? AND key=?)" in plan[-1]
