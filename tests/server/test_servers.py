"""The whole API over real sockets, under each server."""

from __future__ import annotations

import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from PIL import Image

from django_visualsnoop.client.exceptions import AuthenticationError
from django_visualsnoop.client.models import Collection
from tests.collections.contract import ODD_IDS, image
from tests.server.hosting import API, signed, tenant
from tests.server.serving import MAIN_SERVERS

if TYPE_CHECKING:
    from tests.server.serving import Served

pytestmark = [pytest.mark.http, pytest.mark.django_db(transaction=True)]

IMAGE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


def small() -> bytes:
    """Return a picture that takes little time to describe."""
    written = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(written, "PNG")
    return written.getvalue()


@pytest.fixture(autouse=True)
def _quiet_live_server(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("django.server").setLevel(logging.CRITICAL)


def test_every_call(served: Served) -> None:
    ann = tenant("Holidays")
    client = served.client(ann)
    assert (client.id, client.name, client.user) == (
        ann.collection_id,
        "Holidays",
        "ann@example.com",
    )
    chosen = client.add_image(image(1))
    assert re.fullmatch("[0-9a-f]{32}", chosen["image_id"])
    added = client.add_image(image(1), "a")
    assert set(added) == {"image_time", "collection_id", "image_id", "message", "status"}
    assert (added["status"], added["message"], added["image_id"]) == (201, "Added", "a")
    assert added["collection_id"] == ann.collection_id
    assert IMAGE_TIME.fullmatch(added["image_time"])
    assert client.add_image(image(2), "a")["status"] == 409
    updated = client.add_image(image(1), "a", update_existing=True)
    assert (updated["status"], updated["message"]) == (200, "Updated")
    new = client.add_image(image(2), "b", update_existing=True)
    assert (new["status"], new["message"]) == (201, "Added")

    assert client.get_image("a") == {**updated, "message": "OK"}
    by_id = client.search_images_by_id("a")
    assert by_id["image_time"] == updated["image_time"]
    assert (by_id["image_id"], by_id["collection_id"]) == ("a", ann.collection_id)
    assert [(match["id"], match["rank"]) for match in by_id["results"]] == [(chosen["image_id"], 0)]
    found = client.search_images(image(1))
    assert {match["id"] for match in found["results"]} == {"a", chosen["image_id"]}
    assert found["collection_id"] == ann.collection_id

    listed = client.get_images()
    assert [item["id"] for item in listed["images"]] == ["b", "a", chosen["image_id"]]
    assert listed["images"][1] == {"id": "a", "image_time": updated["image_time"]}
    assert listed["next_image_id"] is None
    page = client.get_images(count=2)
    assert page["next_image_id"] == chosen["image_id"]
    page = client.get_images(start="a", count=1)
    assert [item["id"] for item in page["images"]] == ["a"]

    deleted = client.delete_image("a")
    assert deleted == {**updated, "message": "Deleted"}
    for missing in (client.delete_image, client.get_image, client.search_images_by_id):
        assert missing("a")["status"] == 404
    resumed = client.get_images(start="a")
    assert [item["id"] for item in resumed["images"]] == [chosen["image_id"]]


@pytest.mark.parametrize("served", MAIN_SERVERS, indirect=True)
def test_odd_ids(served: Served) -> None:
    client = served.client(tenant())
    client.add_image(small(), "plain")
    for image_id in ODD_IDS:
        added = client.add_image(small(), image_id)
        assert (added["status"], added["image_id"]) == (201, image_id)
        assert client.get_image(image_id)["image_time"] == added["image_time"]
    assert {item["id"] for item in client.iter_images()} == {"plain", *ODD_IDS}
    for image_id in ODD_IDS[::4]:
        assert client.search_images_by_id(image_id)["image_id"] == image_id
        assert client.get_images(start=image_id, count=1)["images"][0]["id"] == image_id
    for image_id in ODD_IDS:
        assert client.delete_image(image_id)["status"] == 200
    assert [item["id"] for item in client.iter_images()] == ["plain"]


def test_ids_that_cannot_be(served: Served) -> None:
    ann = tenant()
    for raw in (
        "",
        "x" * 101,
        quote("é" * 101),
        "a%00b",
        "%FF",
        "a%C3",
        "a%ED%A0%80",
        "a%2F..%2Fb",
    ):
        # Django under a server that tells the decoded path only hides what is no UTF-8 and what
        # was quoted without need, and then the signature does not fit.
        hidden = not served.tells_raw_path and raw.endswith(("%FF", "%C3", "%80", "%2Fb"))
        refused = (401,) if hidden else (400,)
        for method, body in (("PUT", image(1)), ("GET", None), ("DELETE", None)):
            assert served.send(ann, method, f"/image/{raw}", body).status in refused, raw
        assert served.send(ann, "GET", f"/search/{raw}").status in refused, raw
    # As an old client sends "a?b", which must not touch "a".
    served.send(ann, "PUT", "/image/a", image(1))
    for method, path in (("DELETE", "/image/a?b"), ("GET", "/search/a?b"), ("PUT", "/image/a?b=c")):
        assert served.send(ann, method, path).status == 400
    assert served.send(ann, "GET", "/image/a").status == 200


@pytest.mark.parametrize("served", MAIN_SERVERS, indirect=True)
def test_signatures(served: Served) -> None:
    ann, bob = tenant(), tenant("Other", "bob@example.com")
    wrong = Collection(ann.public_key, bob.secret, served.endpoint, connect=False)
    unknown = Collection("0" * 20, ann.secret, served.endpoint, connect=False)
    messages = set()
    for client in (wrong, unknown):
        with pytest.raises(AuthenticationError) as caught:
            client.get_images()
        assert caught.value.status == 401
        assert caught.value.response is not None
        assert caught.value.response.headers["WWW-Authenticate"] == "VSHMAC"
        messages.add(caught.value.message)
        with pytest.raises(AuthenticationError):
            client.add_image(image(1) * 200)  # larger than what a server reads along with a header
    assert len(messages) == 1
    for minutes, status in ((-74, 200), (14, 200), (-76, 401), (16, 401)):
        date = datetime.now(UTC) + timedelta(minutes=minutes)
        headers = signed(ann, "GET", f"{API}/collection", date)
        reply = served.send(None, "GET", "/collection?session=init", headers=headers)
        assert reply.status == status
        assert ("clock" in reply.body["message"]) == (status == 401)
        assert ("collection_id" in reply.body) == (status == 200)
    if served.log.exists():
        log = served.log.read_text()
        assert ann.secret not in log
        assert ann.key.encrypted_secret not in log


def test_answers_that_are_no_success(served: Served) -> None:
    ann = tenant()
    assert served.send(None, "GET", "").status == 404
    assert served.send(None, "GET", "/").status == 404
    assert served.send(None, "GET", "/collections").status == 404
    assert served.send(None, "GET", "//image/a").status == 404
    assert served.send(None, "GET", "/collection").status == 401
    for method, path, allowed in (
        ("POST", "/collection", "GET"),
        ("GET", "/image", "POST"),
        ("PATCH", "/image/a", "GET, POST, PUT, DELETE"),
        ("DELETE", "/search/a", "GET"),
        ("OPTIONS", "/search", "POST"),
    ):
        reply = served.send(ann, method, path)
        assert (reply.status, reply.headers["Allow"]) == (405, allowed)
    for body, status in ((b"", 400), (image(1)[:500], 400), (b"no picture", 415)):
        for method, path in (("POST", "/image"), ("PUT", "/image/a"), ("POST", "/search")):
            assert served.send(ann, method, path, body).status == status
    assert served.send(ann, "POST", "/image", bytes(21 * 1024 * 1024)).status == 413
    assert served.client(ann).get_images()["images"] == []


def test_a_body_that_was_cut_off_changes_nothing(served: Served) -> None:
    ann = tenant()
    fields = {**signed(ann, "PUT", f"{API}/image/a"), "Host": "127.0.0.1"}
    fields["Content-Length"] = str(len(image(1)) + 1)
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = f"PUT {API}/image/a HTTP/1.1\r\n{head}\r\n".encode() + image(1)
    reply = served.send_bytes(request)
    assert reply is None or reply.status == 400
    assert served.send(ann, "GET", "/image/a").status == 404


def test_chunked_bodies_are_read_or_asked_for_with_a_length(served: Served) -> None:
    ann = tenant()
    for pieces, status in (([image(1)], 201), ([image(2)[:100], image(2)[100:]], 201), ([], 400)):
        reply = served.send(ann, "POST", f"/image/{len(pieces)}", iter(pieces))
        assert reply.status == (status if served.reads_chunks else 411)


@pytest.mark.parametrize("served", MAIN_SERVERS, indirect=True)
def test_the_same_post_again_gets_the_same_answer(served: Served) -> None:
    ann = tenant()
    headers = signed(ann, "POST", f"{API}/image")

    def post(number: int) -> str:
        reply = served.send(None, "POST", "/image", image(number), headers)
        assert reply.status == 201
        return str(reply.body["image_id"])

    with ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(post, [1, 1, 2, 1, 2, 1]))
    assert len(set(ids)) == 2
    assert {item["id"] for item in served.client(ann).iter_images()} == set(ids)


@pytest.mark.parametrize("served", MAIN_SERVERS, indirect=True)
def test_uploads_at_once_are_searchable_at_once(served: Served) -> None:
    ann = tenant()

    def upload(number: int) -> None:
        body, path = image(number), f"/image/{number}"
        assert served.send(ann, "POST", path, body).status == 201
        found = served.send(ann, "POST", "/search", body).body["results"]
        assert [match["id"] for match in found] == [str(number)]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(upload, range(10, 16)))
    listed = served.client(ann).get_images()["images"]
    assert len(listed) == 6
    times = [item["image_time"] for item in listed]
    assert times == sorted(times, reverse=True)


def test_the_path_is_signed_as_it_came(served: Served) -> None:
    ann = tenant()
    served.send(ann, "PUT", "/image/a", image(1))
    for raw in ("a", "~a", "a;b", "a%20b", "a+b", "a&b", "%25", "a%2541", "a:@!$'()*,=b", "%C3%A9"):
        reply = served.send(ann, "GET", f"/image/{raw}")
        assert reply.status == (200 if raw == "a" else 404), raw
    for raw in ("%61", "%7ea", "A%2fb", "a%3Bb", "%c3%a9"):  # as no client writes it
        reply = served.send(ann, "GET", f"/image/{raw}")
        if served.tells_raw_path:
            assert reply.status == (200 if raw == "%61" else 404), raw
        else:
            assert reply.status == 401, raw
