"""What following a model adds to a save, beside the same model without the mixin.

    python -m benchmarks.save_overhead [--database sqlite|postgresql|mariadb] [--rounds 40]

Both models are saved in turn, in the same process and database, without a broker; the ratio is
that of the medians over the rounds. Saves are in autocommit mode, as in a request without
ATOMIC_REQUESTS.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SAVES_PER_ROUND = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.update(DJANGO_SETTINGS_MODULE="tests.settings", TEST_DATABASE=options.database)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(TEST_SQLITE_FOLDER=folder, TEST_MEDIA_ROOT=f"{folder}/media")
        measure(options.database, options.rounds, random.Random(options.seed))


def measure(database: str, rounds: int, dice: random.Random) -> None:
    import django

    django.setup()
    from django.db import connection, models
    from django.test.utils import setup_databases, teardown_databases

    from django_visualsnoop import hints
    from tests.testapp.models import Product, Shop

    class Plain(models.Model):
        name = models.CharField(max_length=100, blank=True)
        active = models.BooleanField(default=True)
        photo = models.ImageField(upload_to="products", blank=True)
        shop = models.ForeignKey(Shop, null=True, on_delete=models.CASCADE)

        class Meta:
            app_label = "benchmarks"

    made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
    try:
        with connection.schema_editor() as editor:
            editor.create_model(Plain)
        # The broker's time is not what is measured here.
        hints._publisher._quiet_until = float("inf")
        print(
            f"{rounds} rounds of {SAVES_PER_ROUND} saves; {database} "
            f"{'.'.join(map(str, connection.get_database_version()))}, Python "
            f"{platform.python_version()}, Django {django.__version__}, {os.cpu_count()} cores"
        )
        for title, save in (
            ("without image change", _rename),
            ("with a new image name", _replace),
            ("new row with image", _create),
        ):
            _compare(title, save, [Plain, Product], rounds, dice)
    finally:
        teardown_databases(made, verbosity=0)


# Another value each time: SQLite does not write a row that stays the same.
_numbers = itertools.count()


def _rename(row: Any) -> None:
    row.name = f"renamed {next(_numbers)}"
    row.save()


def _replace(row: Any) -> None:
    row.photo = f"products/{next(_numbers)}.png"
    row.save()


def _create(row: Any) -> None:
    type(row).objects.create(name="new", photo=f"products/{next(_numbers)}.png")


def _compare(
    title: str, save: Callable[[Any], None], kinds: list[Any], rounds: int, dice: random.Random
) -> None:
    rows = {}
    for kind in kinds:
        kind.objects.bulk_create([kind(photo=f"{n}.png") for n in range(SAVES_PER_ROUND)])
    times: dict[Any, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        rows = {kind: list(kind.objects.all()[:SAVES_PER_ROUND]) for kind in kinds}
        order = kinds[:]
        dice.shuffle(order)
        for kind in order:
            started = time.perf_counter()
            for row in rows[kind]:
                save(row)
            times[kind].append((time.perf_counter() - started) / SAVES_PER_ROUND * 1e6)
    plain, followed = (statistics.median(times[kind]) for kind in kinds)
    print(
        f"{title:>24}: plain {plain:7.0f} us, followed {followed:7.0f} us, "
        f"ratio {followed / plain:.3f}"
    )


if __name__ == "__main__":
    main()
