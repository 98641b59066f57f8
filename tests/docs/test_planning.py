"""The table of the planning page is what its script computes."""

from __future__ import annotations

import pytest

from benchmarks.planning import build_table
from tests.docs.test_examples import ROOT

pytestmark = pytest.mark.docs


def test_the_table_is_the_scripts() -> None:
    assert build_table() in (ROOT / "docs" / "planning.rst").read_text()
