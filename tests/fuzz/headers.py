"""Headers that nobody with the secret made for this request: is any accepted, does any raise?

    python -m tests.fuzz.headers [--count 1000000] [--whole 20000] [--seed 1]

Each is a valid pair of Authorization and Date with one to three changes (``spoiled_headers``).
All go through the rules of ``vshmac`` in the order that ``authenticate`` has them; so many as
``--whole`` says also through ``authenticate`` itself, with two keys in an SQLite database. One
request in a hundred is left as it is: the control, which must be accepted. Ends with status 1 on
an acceptance, an exception or a refused control.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django_visualsnoop.server.http import vshmac
from tests.fuzz.spoiled_headers import Mint, Sent, Signer

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL_EVERY = 100


def by_rules(keys: list[Signer]) -> Callable[[Sent], str]:
    """Return what tells why a request is refused, or ``"accepted"``, without a database."""
    secrets = dict(keys)

    def judge(sent: Sent) -> str:
        credentials = vshmac.parse_authorization(sent.authorization)
        if credentials is None:
            return "not VSHMAC"
        known = vshmac.is_public_key(credentials.public_key)
        secret = secrets.get(credentials.public_key) if known else None
        expected = vshmac.sign_request(secret or "", sent.method, sent.path, sent.date)
        if not vshmac.is_same_signature(credentials.signature, expected) or secret is None:
            return "signature"
        if vshmac.find_date_problem(sent.date, datetime.now(UTC)):
            return "date"
        return "accepted"

    return judge


def by_authenticate(sent: Sent) -> str:
    """Return how the server itself judges a request."""
    from django.test import RequestFactory

    from django_visualsnoop.server.exceptions import Refused
    from django_visualsnoop.server.http.authentication import authenticate

    request = RequestFactory().generic(
        sent.method,
        "/",
        HTTP_AUTHORIZATION=sent.authorization,
        HTTP_DATE=sent.date,
        RAW_URI=sent.path,
    )
    try:
        authenticate(request, "read")
    except Refused as refused:
        return f"refused with {refused.status}"
    return "accepted"


class Tally:
    """Judges requests, and counts what came of it."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        #: Acceptances, exceptions and refused controls.
        self.bad: list[str] = []

    def judge(self, sent: Sent, kind: str, judge: Callable[[Sent], str]) -> None:
        control = kind == "control"
        try:
            outcome = judge(sent)
        except Exception as error:  # noqa: BLE001
            outcome = f"RAISED {type(error).__name__}"
        self.outcomes[kind, outcome] += 1
        if control != (outcome == "accepted") or outcome.startswith(("RAISED", "refused with 5")):
            self.bad.append(f"{kind}, {outcome}: {sent}")


def run(mint: Mint, count: int, judge: Callable[[Sent], str]) -> Tally:
    """Judge ``count`` spoiled requests, and the controls between them."""
    tally = Tally()
    for number in range(count):
        if number % CONTROL_EVERY == 0:
            tally.judge(mint.valid()[0], "control", judge)
        tally.judge(*mint.spoiled(), judge)
    return tally


def report(title: str, tally: Tally, seconds: float) -> None:
    total = sum(tally.outcomes.values())
    controls = sum(count for (kind, _), count in tally.outcomes.items() if kind == "control")
    print(f"\n{title}: {total - controls:,} spoiled, {controls:,} controls, {seconds:.0f} s")
    for (kind, outcome), count in sorted(tally.outcomes.items()):
        print(f"{count:10,}  {kind:24} {outcome}")
    print(f"acceptances, exceptions and refused controls: {len(tally.bad)}")
    for line in tally.bad[:20]:
        print(f"    {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--whole", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE="sqlite",
            TEST_SQLITE_FOLDER=folder,
        )
        import django

        django.setup()
        from django.test.utils import setup_databases, teardown_databases

        from tests.server.hosting import tenant

        print(
            f"Python {platform.python_version()}, Django {django.__version__}, seed "
            f"{options.seed}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        made = setup_databases(verbosity=0, interactive=False)
        whose = [tenant("One"), tenant("Two", "bob@example.com")]
        keys = [Signer(one.public_key, one.secret) for one in whose]
        bad = 0
        for title, count, judge in (
            ("The rules", options.count, by_rules(keys)),
            ("authenticate()", options.whole, by_authenticate),
        ):
            began = time.monotonic()
            tally = run(Mint(keys, random.Random(options.seed)), count, judge)
            report(title, tally, time.monotonic() - began)
            bad += len(tally.bad)
        teardown_databases(made, verbosity=0)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
