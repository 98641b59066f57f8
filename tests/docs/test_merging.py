"""The page about merging, run from its text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from django_visualsnoop.models import Resolution
from django_visualsnoop.signals import rows_merged
from django_visualsnoop.testing import sync_now
from tests.docs.blocks import blocks_of
from tests.docs.test_examples import ROOT
from tests.fixtures import product
from tests.testapp.models import Product, Review

if TYPE_CHECKING:
    from pathlib import Path

    from django_visualsnoop.collections.recorder import RecorderCollection

pytestmark = [pytest.mark.docs, pytest.mark.django_db]


def test_the_page_runs(
    recorder: RecorderCollection, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(blocks_of(ROOT / "docs" / "merging.rst"))
    assert {block.language for block in found} == {"python"}
    names: dict[str, Any] = {"Product": Product, "user": User.objects.create(username="ann")}
    printed = []
    try:
        for block in found:
            for number in (1, 1, 2, 2):
                Review.objects.create(product=product(number))
            sync_now()
            names["kept"], *names["others"] = Product.objects.filter(active=True)
            exec(block.code, names)
            printed.append(capsys.readouterr().out)
    finally:
        rows_merged.disconnect(names["redirect"], sender=Product)
    assert Review.objects.count() == 4 * len(found)  # none was lost
    assert printed[1].splitlines() == ["Reviews 6"]
    assert any("change reviews" in text for text in printed)
    assert Resolution.objects.exclude(restored_at=None).get().label == "Two lamps"
