from __future__ import annotations

from django_visualsnoop.common.facts import Fact, compare_facts


def test_what_differs_is_told_for_each_picture() -> None:
    first, second = compare_facts([("Size", ["1 KB", "2 KB"]), ("Colour", ["red", "red"])])
    assert first == [Fact("Size", "1 KB", differs=True), Fact("Colour", "red", differs=False)]
    assert [one.value for one in second] == ["2 KB", "red"]
