"""No secret is in the database, in a log, in an answer or on an error page, in any writing."""

from __future__ import annotations

import hmac
import logging
import math
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.views.debug import ExceptionReporter

from django_visualsnoop.server.api_v2 import problems
from tests.collections.contract import image
from tests.server.hosting import API, Tenant, call, signed, tenant
from tests.server.http.test_message_signatures import headers as message_signed
from tests.server.v2 import API2, ask, bearer, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


def writings(secret: str) -> Iterator[str]:
    """Yield a secret as it may be written: plain, and in base64 wherever it begins."""
    yield secret
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            # What stands before and after it changes the ends only.
            yield encode(b"\0" * shift + secret.encode())[4:-4].decode()


def dump() -> str:
    """Return all that the database holds."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            rows += [str(value) for row in cursor.fetchall() for value in row]
    return "\n".join(rows)


def refusals(ann: Tenant) -> Iterator[Any]:
    """Yield answers of all kinds, of both APIs and by all ways to say whose a request is."""
    wrong = Tenant(ann.collection_id, ann.public_key, ann.secret[::-1])
    yield call(ann, "PUT", "/image/a", image(1))
    yield call(ann, "POST", "/image", b"no picture")
    yield call(wrong, "GET", "/images")
    yield call(None, "GET", "/images", headers=message_signed(ann, "GET", "/images"))
    yield call(None, "GET", "/images", headers=message_signed(wrong, "GET", "/images"))
    yield ask(ann, "PUT", "/images/b", image(2), metadata='{"a": 1}')
    yield ask(ann, "GET", "/images/none")
    yield ask(wrong, "GET", "/images")
    yield ask(ann, "GET", "/export")
    yield ask(ann, "POST", "/compare", b"{")
    yield ask(None, "GET", "/images", headers={"Authorization": f"Basic {ann.secret}"})


@pytest.mark.parametrize("debug", [False, True])
def test_no_secret_is_shown(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    debug: bool,
) -> None:
    settings.DEBUG = debug
    ann = tenant()
    with caplog.at_level(logging.DEBUG):
        shown = [repr(answer) for answer in refusals(ann)]
        # Just where the secret is in the open.
        with monkeypatch.context() as patch:
            # No function of Python's, whose frame would hold its arguments.
            patch.setattr(hmac, "compare_digest", math.sqrt)
            answers: list[Any] = [ask(ann, "GET", "/images"), call(ann, "GET", "/images")]
        with monkeypatch.context() as patch:
            headers = signed(ann, "GET", f"{API}/images")
            patch.setattr(hmac, "digest", math.sqrt)
            answers.append(call(None, "GET", "/images", headers=headers))
        assert [answer.status for answer in answers] == [500] * 3
        # An error that even the view does not answer, as Django shows it.
        monkeypatch.setattr(problems, "refuse_error", math.sqrt)
        page = Client(raise_request_exception=False).get(f"{API2}/images/none", headers=bearer(ann))
        assert page.status_code == 500
        shown += [repr(answer) for answer in answers] + [page.content.decode()]
    failed = [record for record in caplog.records if record.exc_info]
    assert failed
    if not debug:  # what Django mails to the site's administrators
        for record in failed:
            assert record.exc_info is not None
            reporter = ExceptionReporter(getattr(record, "request", None), *record.exc_info)
            shown += [reporter.get_traceback_html(), reporter.get_traceback_text()]
    shown += [caplog.text, *(str(record.__dict__) for record in caplog.records), dump()]
    text = "\n".join(shown)
    for secret in (ann.secret, ann.secret[::-1], settings.SECRET_KEY):
        assert not [written for written in writings(secret) if written in text]


def test_the_search_for_secrets_finds_them(ann: Tenant) -> None:
    assert any(
        written in signed(ann, "GET", API)["Authorization"] + ann.secret
        for written in writings(ann.secret)
    )
    token = b64encode(f"{ann.public_key}.{ann.secret}".encode()).decode()
    assert any(written in token for written in writings(ann.secret))
    put(ann, "a", 1, secret=ann.secret)
    assert ann.secret in dump()
