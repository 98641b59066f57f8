"""Copies of the checkout, and forked processes that run tests in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mutation.rooms import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OPTIONS = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
#: pytest's plugins are among what is loaded beforehand.
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]


def run_tests(tree: Path, arguments: Sequence[str], plugins: Sequence[object]) -> int:
    """Run pytest in a tree, in this process, which must be a forked one."""
    os.chdir(tree)
    os.environ.update(TEST_DATABASE="sqlite", PYTHONPATH=str(tree))
    os.environ["TEST_SQLITE_FOLDER"] = str(tree / "mutation-databases")
    os.environ["TEST_MEDIA_ROOT"] = str(tree / "mutation-media")
    options = [*OPTIONS, f"--basetemp={tree / 'mutation-files'}"]
    sys.path[:] = [str(tree), *(path for path in sys.path if Path(path).resolve() != ROOT)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # this package is one of the checkout, not of the tree
    return int(pytest.main([*options, *arguments], plugins=list(plugins)))


@contextmanager
def forked(tree: Path, function: Callable[[], int]) -> Iterator[int]:
    """Start a process, in a group and with a log of its own; yield its id."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            log = os.open(tree / "mutation.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            code = function()
        except Exception:  # noqa: BLE001 -- who started it reads the log
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    yield pid


def copy_checkout(into: Path) -> Path:
    """Copy what Git knows of, or would, of the checkout; make its databases."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, into / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    (into / "mutation-databases").mkdir(parents=True)
    return into
