"""The fault rig, in small: a sound build passes, and one that is broken on purpose does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.settings import TEST_DATABASE

pytestmark = pytest.mark.slow

#: How long a run may take, in seconds; much more than it needs.
PATIENCE = 300
#: What a broker of the rig needs.
NEEDS = {"redis": "redis-server", "rabbitmq": "rabbitmq"}
#: The second broker costs as much time again, so one database must do.
BROKERS = ("redis", "rabbitmq") if TEST_DATABASE == "postgresql" else ("redis",)


def rig(report: Path, *arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Run it; return its exit code, what it printed, and its report."""
    command = [
        *(sys.executable, "-m", "tests.faults", "--database", TEST_DATABASE),
        # How long a commit waits is for a machine with nothing else to do.
        *("--longest-wait", "60", "--lease-margin", "3", "--json", str(report), *arguments),
    ]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            printed, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)  # it ends its own processes then
            printed, _ = process.communicate(timeout=60)
            pytest.fail(f"The rig did not end within {PATIENCE} s. {printed}")
    if not report.exists():
        pytest.fail(f"The rig has written no report. {printed}")
    return process.returncode, printed, json.loads(report.read_text())


#: SQLite as ``startproject`` sets it up, which forgives least.
SETTINGS = ("--stock",) if TEST_DATABASE == "sqlite" else ()


@pytest.mark.parametrize("broker", BROKERS)
def test_everything_is_in_sync_after_faults_of_every_kind(broker: str, tmp_path: Path) -> None:
    services.require(NEEDS[broker])
    code, printed, report = rig(
        tmp_path / "report.json",
        *("--broker", broker, "--operations", "300", "--faults", "25", *SETTINGS),
    )
    assert code == 0, printed
    assert printed.endswith("PASSED\n")
    assert report["passed"]
    assert sum(report["done"].values()) == 300
    assert len(report["faults"]) >= 8
    assert report["seconds_to_sync"] is not None
    assert report["audit_found"] == 0
    found = report["comparison"]
    assert found["images"] > 0
    assert [found[drift] for drift in ("missing", "extra", "older", "wrongly_failed")] == [[]] * 4


@pytest.mark.skipif(TEST_DATABASE != "sqlite", reason="one database is enough for this")
@pytest.mark.service("redis-server")
def test_a_dispatch_before_the_commit_is_noticed(tmp_path: Path) -> None:
    arguments = ("--operations", "300", "--break", "publish", "--patience", "10")
    code, printed, report = rig(tmp_path / "report.json", *arguments)
    assert code == 1
    assert not report["passed"]
    assert "FAILED: without faults, messages alone left" in printed
