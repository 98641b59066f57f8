"""Plain lines now and then; the bar is tested with the command, on a terminal."""

from __future__ import annotations

from django_visualsnoop.management.progress import INTERVAL, Lines


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_now_and_then_with_rate_and_time_left() -> None:
    clock, lines = Clock(), list[str]()
    shown = Lines("shop.Product.photo", 12_000, "rows", lines.append, clock)
    shown.update(500)
    clock.now += INTERVAL - 1
    shown.update(400)
    assert lines == []
    clock.now += 1
    shown.update(100)
    shown.update(1000)
    assert lines == ["shop.Product.photo: 1,000 of 12,000 rows, 100.0/s, 2 min left"]
    clock.now += INTERVAL
    shown.update(0)
    assert lines[1] == "shop.Product.photo: 2,000 of 12,000 rows, 100.0/s, 2 min left"


def test_without_a_total_no_time_is_left() -> None:
    clock, lines = Clock(), list[str]()
    shown = Lines("default: listed", None, "images", lines.append, clock)
    clock.now += INTERVAL
    shown.update(50)
    assert lines == ["default: listed: 50 images, 5.0/s"]
