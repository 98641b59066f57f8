from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.index.outside_contract import OutsideIndexContract

if TYPE_CHECKING:
    from django_visualsnoop.engine.index.milvus import MilvusIndex


@pytest.mark.service("milvus")
class TestMilvusIndex(OutsideIndexContract):
    @pytest.fixture
    def index(self, milvus_index: MilvusIndex) -> MilvusIndex:
        return milvus_index
