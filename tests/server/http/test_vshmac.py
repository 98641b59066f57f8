from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache

import pytest
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from django_visualsnoop.server.exceptions import Refused
from django_visualsnoop.server.http import authentication, vshmac
from django_visualsnoop.server.models import HostedCollection, Key
from django_visualsnoop.server.tenants.encryption import encrypt
from tests.v1server import PUBLIC_KEY, SECRET_KEY

DATE = "Thu, 29 Jan 2015 20:37:09 GMT"
NOW = datetime(2015, 1, 29, 20, 37, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        ("GET", "/api/v1/collection", "TRmEHBsk3YTaJN5nGiEYEDWsBUY="),
        ("POST", "/api/v1/image", "l/B4vL6qpiym0a1Op/5lM6P3+6c="),
        ("GET", "/api/v1/image/a%20b/%C3%A9", "OBpfksE+II1jok6UBn6CwatV+YA="),
    ],
)
def test_vectors(method: str, path: str, signature: str) -> None:
    for secret in (SECRET_KEY, f" {SECRET_KEY}\n"):
        assert vshmac.sign_request(secret, method, path, DATE) == signature


def test_parsing() -> None:
    assert vshmac.parse_authorization("VSHMAC abc:d=") == ("abc", "d=")
    assert vshmac.parse_authorization("vshmac a:b:c") == ("a:b", "c")
    assert vshmac.parse_authorization("VSHMAC  a:b") == (" a", "b")
    assert vshmac.parse_authorization("VSHMAC") == ("", "")
    for other in ("", "Basic YTpi", "VSHMACa:b", "V\u017fHMAC a:b"):
        assert vshmac.parse_authorization(other) is None


@pytest.mark.parametrize(
    ("minutes", "accepted"),
    [(0, True), (-75, True), (15, True), (-75.1, False), (15.1, False)],
)
def test_window_of_the_date(minutes: float, accepted: bool) -> None:
    date = format_datetime(NOW + timedelta(minutes=minutes), usegmt=True)
    problem = vshmac.find_date_problem(date, NOW)
    assert (problem is None) == accepted
    assert accepted or "clock" in str(problem)


@pytest.mark.parametrize(
    "date", ["", "now", "2015-01-29T20:37:09Z", "Thu, 99 Jan 2015 20:37:09 GMT"]
)
def test_a_date_that_is_none(date: str) -> None:
    assert f"must look like {DATE}" in str(vshmac.find_date_problem(date, NOW))


def test_a_date_without_a_zone_is_utc() -> None:
    assert vshmac.find_date_problem("Thu, 29 Jan 2015 20:37:09 -0000", NOW) is None


@cache
def key() -> Key:
    return Key(
        public_key=PUBLIC_KEY,
        encrypted_secret=encrypt(SECRET_KEY),
        collection=HostedCollection(name="x"),
    )


PARTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["VSHMAC", " ", ":", PUBLIC_KEY, SECRET_KEY, "=", "\0", "\ud800"]),
    st.binary(max_size=30).map(lambda raw: base64.b64encode(raw).decode()),
)
FUZZED = st.one_of(
    st.lists(PARTS, max_size=8).map("".join),
    st.builds("VSHMAC {}:{}".format, st.sampled_from([PUBLIC_KEY, "0" * 20]), PARTS),
    # All but the right signature's last sign.
    st.text(max_size=3).map(lambda end: f"VSHMAC {PUBLIC_KEY}:TRmEHBsk3YTaJN5nGiEYEDWsBUY{end}"),
)


@settings(max_examples=200, deadline=None)
@given(authorization=FUZZED, date=st.one_of(st.just(DATE), st.text(max_size=40)))
def test_no_made_up_header_is_accepted_or_raises(authorization: str, date: str) -> None:
    request = RequestFactory().get(
        "/api/v1/image/a", HTTP_AUTHORIZATION=authorization, HTTP_DATE=date
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            authentication, "_get_key", lambda name: key() if name == PUBLIC_KEY else None
        )
        with pytest.raises(Refused) as caught:
            authentication.authenticate(request, "read")
    assert caught.value.status == 401
    assert caught.value.headers == {"WWW-Authenticate": "VSHMAC"}


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_no_date_raises(date: str, signature: str) -> None:
    vshmac.find_date_problem(date, NOW)
    vshmac.is_same_signature(signature, "TRmEHBsk3YTaJN5nGiEYEDWsBUY=")
