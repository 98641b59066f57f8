from __future__ import annotations

import copy
import pickle
from email.utils import parsedate_to_datetime

import pytest
import requests

from django_visualsnoop.client.auth import VisualSnoopHMACAuth
from tests.v1server import PUBLIC_KEY, SECRET_KEY

DATE = "Thu, 29 Jan 2015 20:37:09 GMT"


def signed(method: str, url: str, **headers: str) -> requests.PreparedRequest:
    auth = VisualSnoopHMACAuth(PUBLIC_KEY, SECRET_KEY)
    return requests.Request(method, url, headers=headers, auth=auth).prepare()


@pytest.mark.parametrize(
    ("method", "target", "signature"),
    [
        ("GET", "/api/v1/collection?session=init", "TRmEHBsk3YTaJN5nGiEYEDWsBUY="),
        ("POST", "/api/v1/image", "l/B4vL6qpiym0a1Op/5lM6P3+6c="),
        ("GET", "/api/v1/image/a%20b/%C3%A9", "OBpfksE+II1jok6UBn6CwatV+YA="),
        ("GET", "/api/v1/image/a b/é", "OBpfksE+II1jok6UBn6CwatV+YA="),
    ],
)
def test_vectors(method: str, target: str, signature: str) -> None:
    request = signed(method, f"https://images.example.com{target}", Date=DATE)
    assert request.headers["Authorization"] == f"VSHMAC {PUBLIC_KEY}:{signature}"
    assert request.headers["Date"] == DATE
    assert request.headers["X-Visualsnoop-Client-Version"] == "0.2"


def test_the_date_is_now_in_gmt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("email.utils.time.time", lambda: 1422563829.9)
    assert signed("GET", "https://images.example.com/").headers["Date"] == DATE
    assert parsedate_to_datetime(DATE).timestamp() == 1422563829


def test_white_space_around_the_keys_is_ignored() -> None:
    auth = VisualSnoopHMACAuth(f" {PUBLIC_KEY}\n", f"\t{SECRET_KEY}\n")
    url = "https://images.example.com/api/v1/image"
    request = requests.Request("POST", url, headers={"Date": DATE}, auth=auth).prepare()
    expected = signed("POST", url, Date=DATE).headers["Authorization"]
    assert request.headers["Authorization"] == expected


def test_the_secret_is_not_shown() -> None:
    auth = VisualSnoopHMACAuth(PUBLIC_KEY, SECRET_KEY)
    assert SECRET_KEY not in repr(auth)
    assert PUBLIC_KEY in repr(auth)


def test_the_secret_is_not_pickled() -> None:
    auth = VisualSnoopHMACAuth(PUBLIC_KEY, SECRET_KEY)
    session = requests.Session()
    session.auth = auth
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        for holder in (auth, session):
            if take is copy.copy and holder is session:
                continue  # shares the auth object, writes nothing out
            with pytest.raises(TypeError, match="cannot pickle"):
                take(holder)
