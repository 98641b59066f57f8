"""Thousands of changes by several web processes, with random faults: is everything in sync after?

    python -m tests.faults --database postgresql --broker redis --operations 10000 --faults 500

Everything is real: the database server, the broker, Celery worker processes, sweepers, an HTTP
service and the embedded engine. The first operations run without faults or sweepers, so that only
messages trigger their sync. Then faults happen while operations continue. After the last fault,
both collections must contain exactly the pictures of the rows, without help from the audit.

``--break`` runs a deliberately broken build, which must fail. The exit status is 0 or 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=("sqlite", "postgresql", "mariadb"), default="sqlite")
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), default="redis")
    parser.add_argument(
        "--stock",
        action="store_true",
        help="SQLite as startproject sets it up: no IMMEDIATE transactions, no WAL",
    )
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--webs", type=int, default=3, help="web processes (default: 3)")
    parser.add_argument("--break", dest="broken", choices=("generation", "sweeper", "publish"))
    parser.add_argument(
        "--lease-margin",
        type=float,
        help="seconds by which a lease outlasts the longest call, instead of the package's value",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=240.0,
        help="seconds to wait until everything is in sync at the end (default: 240)",
    )
    parser.add_argument(
        "--longest-wait",
        type=float,
        default=2.5,
        help="seconds that a commit may wait for a broker: the package's limit of 2, plus a margin "
        "for a busy machine (default: 2.5)",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the report to this file"
    )
    parser.add_argument(
        "--logs", type=Path, metavar="FOLDER", help="keep logs and files in this new folder"
    )
    options = parser.parse_args()
    if options.logs is not None and options.logs.exists() and any(options.logs.iterdir()):
        parser.error(f"{options.logs} is not empty")
    return options


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left behind
    with tempfile.TemporaryDirectory(prefix="visualsnoop-rig-") as temporary:
        folder = options.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        prefix = os.environ.get("TEST_DATABASE_PREFIX", "visualsnoop")
        # Before the settings are read: this process makes the database that the others open.
        os.environ.pop("TEST_IS_WORKER", None)
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.faults.settings",
            TEST_DATABASE=options.database,
            TEST_DATABASE_PREFIX=f"{prefix}_rig{os.getpid()}",
            TEST_SQLITE_FOLDER=str(folder),
            TEST_MEDIA_ROOT=str(folder / "media"),
            RIG_STOCK="1" if options.stock else "",
        )
        import django

        django.setup()
        from tests.faults.run import run

        report = run(options, folder)
    print(report)
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_json(), indent=2))
    return 1 if report.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
