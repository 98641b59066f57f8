"""Where the tests run: Pythons, Djangos, databases, and the oldest dependencies.

``nox --list`` shows every session, ``nox --session NAME`` runs one, and what follows ``--`` goes
to pytest. ``nox --session ci`` runs what must pass before a change lands.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["style", "types", "docs", "tests"]

PYTHONS = [name for name in ("3.11", "3.12", "3.13", "3.14") if shutil.which(f"python{name}")]
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
DJANGOS = ["5.2", "6.0", "6.1"]
DATABASES = ["sqlite", "postgresql", "mariadb"]

#: The same whichever the database and the Python: how servers speak HTTP, how pages look, what
#: the documentation says and what the example project does.
ONCE = "example or http or browser or docs"

#: Lines that "make test" must execute on the newest Python, in percent. It only rises.
COVERAGE = ["--cov", "--cov-report=term:skip-covered", "--cov-fail-under=97"]

#: Without the debugging allocator, which takes half as much time again.
DEVELOPMENT = {"PYTHONDEVMODE": "1", "PYTHONMALLOC": "pymalloc"}


def newest_django(python: str) -> str:
    return DJANGOS[0] if python == "3.11" else DJANGOS[-1]


def install(session: nox.Session, extras: str, *requirements: str) -> None:
    # Most modules are never imported, so none is compiled ahead.
    session.install("--no-compile", "--editable", f".[{extras}]", *requirements)


def run_pytest(session: nox.Session, database: str, *arguments: str) -> None:
    if database == "sqlite" and session.python == NEWEST:
        session.env.update(DEVELOPMENT)
    versions = "import django, platform; print(platform.python_version(), django.__version__)"
    session.run("python", "-c", versions)
    session.run(
        *("python", "-m", "pytest", "--quiet", "--create-db", "-p", "no:cacheprovider"),
        *arguments,
        *session.posargs,
        env={"TEST_DATABASE": database, "COVERAGE_CORE": "sysmon"},
    )


@nox.session(python=NEWEST)
def style(session: nox.Session) -> None:
    """Look for common faults, and check how the code is written."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", "--no-cache")
    session.run("ruff", "format", "--no-cache", "--check")


@nox.session(python=NEWEST)
def types(session: nox.Session) -> None:
    """Check the types of the package, of the tests, and of a project that uses the package."""
    install(session, "dev", f"Django=={newest_django(NEWEST)}.*")
    cache = session.create_tmp()
    session.run("mypy", f"--cache-dir={cache}/package")
    session.env["TEST_TYPES"] = "1"
    session.run("pytest", "-q", "tests/docs/test_types.py")
    session.chdir("example_project")  # a project of its own, as users have one
    session.run("mypy", f"--cache-dir={cache}/example", ".")


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """Build the documentation without a warning."""
    install(session, "docs")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-n", "docs", session.create_tmp())


@nox.session
@nox.parametrize(
    "python,django,database",
    [
        nox.param(python, django, database, id=f"{python}-django{django}-{database}")
        for python in PYTHONS
        for django in DJANGOS
        for database in DATABASES
        if django == "5.2" or python != "3.11"
    ],
)
def tests(session: nox.Session, django: str, database: str) -> None:
    """Run the tests with the newest dependencies."""
    install(session, "test,services", f"Django=={django}.*")
    # The client of 2015, which the server serves as it is.
    session.install("--no-compile", "visualsnoop==0.2")
    run_pytest(session, database)


@nox.session(python=PYTHONS)
def oldest_dependencies(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that ``setup.cfg`` allows."""
    constraints = Path(session.create_tmp(), "constraints.txt")
    constraints.write_text("\n".join(oldest_requirements()))
    install(session, "test,services", "--constraint", str(constraints))
    # They call each other in ways that are deprecated since.
    run_pytest(session, "sqlite", "-W", "ignore::DeprecationWarning")


def oldest_requirements() -> list[str]:
    """Return the requirements of the package and of its extras for users, each at its oldest."""
    metadata = configparser.ConfigParser()
    metadata.read("setup.cfg")
    extras = metadata["options.extras_require"]
    lines = metadata["options"]["install_requires"].splitlines()
    for name in extras.keys() - {"test", "services", "docs", "dev"}:
        lines += extras[name].splitlines()
    found = (re.fullmatch(r"([\w.-]+)>=([\d.]+)", line) for line in lines)
    # Celery 5.4 asks for a client of Redis that only such a Kombu takes.
    return [*(f"{match[1]}=={match[2]}.*" for match in found if match), "kombu==5.4.*"]


@nox.session(python=NEWEST)
def packaging(session: nox.Session) -> None:
    """Build the packages, and install and use them as a stranger does."""
    install(session, "test")
    session.env["TEST_PACKAGING"] = "1"
    run_pytest(session, "sqlite", "tests/test_packaging.py")


@nox.session(python=False)
def two_commands(session: nox.Session) -> None:
    """Type the README's two commands in a fresh clone, with no server."""
    clone = Path(session.create_tmp(), "clone")
    shutil.rmtree(clone, ignore_errors=True)
    session.run("git", "clone", "--quiet", ".", str(clone), external=True)
    session.chdir(clone)
    oldest, newest = f"PYTHON=python{OLDEST}", f"PYTHON=python{NEWEST}"
    session.run("make", "demo", oldest, "DEMO_ARGS=--no-serve", external=True)
    arguments = f"TEST_ARGS={' '.join(session.posargs)}"
    env = {"REQUIRE_SERVICES": None, "COVERAGE_CORE": "sysmon", **DEVELOPMENT}
    session.run("make", "test", newest, arguments, external=True, env=env)


@nox.session(python=False)
def ci(session: nox.Session) -> None:
    """Run what must pass before a change lands, two sessions at a time."""
    newest = f"tests({NEWEST}-django{newest_django(NEWEST)}"
    elsewhere = f"not ({ONCE} or no_database)"
    run_side_by_side(
        ["style"],
        ["docs"],
        ["types"],
        # The longest first, such that both lanes end together.
        ["two_commands", *COVERAGE],
        # The faults need minutes with each broker, and "make test" has both of them.
        [f"{newest}-mariadb)", "-m", elsewhere, "-k", "not (test_faults and redis)"],
        [f"{newest}-postgresql)", "-m", elsewhere, "-k", "not (test_faults and rabbitmq)"],
        [f"oldest_dependencies-{OLDEST}", "-m", f"not ({ONCE} or slow or service)"],
        # "make test" skips what a service is missing for; this fails. The demo's have one port.
        [f"{newest}-sqlite)", "-m", "service and not (example or slow)"],
        ["packaging"],
    )


def run_side_by_side(*sessions: list[str]) -> None:
    """Run sessions, each a name and arguments for pytest, two at a time; print what each printed.

    Once one has failed, no other begins.

    Raises:
        SystemExit: one has failed.
    """
    printed: list[str] = []

    def run(session: list[str]) -> None:
        name, *arguments = session
        command = [sys.executable, "-m", "nox", "--session", name, "--", *arguments]
        begun = time.monotonic()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(f"{done.stdout}\n{name}: {time.monotonic() - begun:.0f} s\n", flush=True)
        printed.append(done.stdout)
        if done.returncode:
            pool.shutdown(wait=False, cancel_futures=True)
            sys.exit(f"{name} failed.")

    with ThreadPoolExecutor(max_workers=2) as pool:
        runs = [pool.submit(run, session) for session in sessions]
    for one in runs:
        if not one.cancelled():
            one.result()
    summaries = re.findall(r"^\d+ .* in [\d.]+s\b", "\n".join(printed), re.MULTILINE)
    for outcome in ("passed", "failed", "skipped"):
        counts = re.findall(rf"(\d+) {outcome}", "\n".join(summaries))
        print(sum(map(int, counts)), outcome, end="\n" if outcome == "skipped" else ", ")
