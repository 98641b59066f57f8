"""Does the time of a refusal tell which keys there are, or what others have?

    python -m benchmarks.tenant_timing [--database sqlite] [--rounds 3000] [--seed 1] [--processor]

Two requests that are refused alike are sent in turn, in shuffled order, within this process, where
no network hides a difference: an unknown key and a known one with a wrong signature (401); an image
that nobody has and one of another collection (404). The ratio is that of the medians, the interval
a bootstrap's over the rounds; the first request, sent once more, shows the noise. ``--processor``
counts this process's own time only, which other programs on the machine change little.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Samples of the bootstrap.
SAMPLES = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processor", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE=options.database,
            TEST_SQLITE_FOLDER=folder,
        )
        import django

        django.setup()
        from django.test.utils import (
            setup_databases,
            setup_test_environment,
            teardown_databases,
        )

        setup_test_environment()
        made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
        try:
            measure(options)
        finally:
            teardown_databases(made, verbosity=0)


def measure(options: argparse.Namespace) -> None:
    import django

    from tests.collections.contract import image
    from tests.server.hosting import Tenant, call, tenant

    ann, bob = tenant("Ann's"), tenant("Bob's", "bob@example.com")
    assert call(ann, "PUT", "/image/hers", image(1)).status == 201
    assert call(bob, "PUT", "/image/his", image(2)).status == 201
    unknown = Tenant(ann.collection_id, "0" * 20, "guessed")
    wrong = Tenant(ann.collection_id, ann.public_key, "guessed")

    def get(whose: Tenant, path: str, status: int) -> Callable[[], None]:
        def send() -> None:
            assert call(whose, "GET", path).status == status

        return send

    pairs = {
        "unknown key, wrong signature": (
            get(unknown, "/collection", 401),
            get(wrong, "/collection", 401),
        ),
        **{
            f"nobody's, another's: {call_}": (
                get(bob, f"/{call_}/none", 404),
                get(bob, f"/{call_}/hers", 404),
            )
            for call_ in ("image", "search")
        },
        "nobody's, another's: start": (
            get(bob, "/images?start=none", 404),
            get(bob, "/images?start=hers", 404),
        ),
    }
    print(
        f"{options.database}, Python {platform.python_version()}, Django {django.__version__}; "
        f"{options.rounds} rounds, seed {options.seed}; {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}"
    )
    dice = random.Random(options.seed)
    clock = time.process_time if options.processor else time.perf_counter
    print(f"{'':32}{'us':>8}{'':4}second / first (95 %)    once more / first")
    for name, (first, second) in pairs.items():
        times = timed([first, second, first], options.rounds, dice, clock)
        print(
            f"{name:32}{statistics.median(times[0]):8.0f}    {ratio(times[1], times[0], dice)}"
            f"    {ratio(times[2], times[0], dice)}"
        )


def timed(
    sends: list[Callable[[], None]], rounds: int, dice: random.Random, clock: Callable[[], float]
) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in sends]
    gc.collect()
    gc.disable()
    for number in range(rounds):
        if number % 100 == 0:
            gc.collect()
        for place in dice.sample(range(len(sends)), len(sends)):
            began = clock()
            sends[place]()
            times[place].append((clock() - began) * 1e6)
    gc.enable()
    return times


def ratio(times: list[float], base: list[float], dice: random.Random) -> str:
    count = len(times)
    samples = []
    for _ in range(SAMPLES):
        rounds = dice.choices(range(count), k=count)
        samples.append(
            statistics.median([times[number] for number in rounds])
            / statistics.median([base[number] for number in rounds])
        )
    samples.sort()
    low, high = samples[SAMPLES // 40], samples[-SAMPLES // 40 - 1]
    return f"{statistics.median(times) / statistics.median(base):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
