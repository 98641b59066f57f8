"""``TEST_INDEX=pgvector``: run the tests with an index outside the process, where they name none.

The database must be PostgreSQL with pgvector: see ``TEST_DATABASE`` and ``TEST_POSTGRESQL_PORT``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX = os.environ.get("TEST_INDEX", "memory")


def choose_index() -> None:
    """Let collections without an index use that of ``TEST_INDEX``."""
    if INDEX == "memory":
        return
    from django_visualsnoop.engine.outside.create import create_index
    from django_visualsnoop.engine.outside.indexes import MEMORY, OutsideIndexes

    create: Callable[..., None] = OutsideIndexes.__init__

    def create_with_index(
        self: OutsideIndexes, database: str, name: str, chosen: str = MEMORY, configured: Any = None
    ) -> None:
        if chosen == MEMORY and not configured:
            chosen, configured = INDEX, {INDEX: create_index(INDEX, database, {})}
        create(self, database, name, chosen, configured or {})

    OutsideIndexes.__init__ = create_with_index  # type: ignore[method-assign]
