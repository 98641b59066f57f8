"""The collection that a page writes, and its test, as they are written there."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.test_examples import ROOT

pytestmark = pytest.mark.docs

FILES = {block.caption: block.code for block in blocks_of(ROOT / "docs" / "own_collection.rst")}


def build_documented_test() -> Any:
    """Return the page's test class."""
    module, package = ModuleType("shop.collections"), ModuleType("shop")
    exec(FILES["shop/collections.py"], vars(module))
    vars(package)["collections"] = module
    names: dict[str, Any] = {"__name__": __name__}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "shop", package)
        exec(FILES["shop/test_collections.py"], names)
    return names["TestDigestCollection"]


TestDigestCollection = build_documented_test()
