from __future__ import annotations

import copy
import inspect
import io
import pickle
import socket
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from django_visualsnoop.client import DEFAULT_ENDPOINT
from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    InvalidImageIdError,
    TransportError,
    VisualSnoopError,
)
from django_visualsnoop.client.models import Collection
from tests.collections.contract import IMPOSSIBLE_IDS, ODD_IDS, image
from tests.v1server import COLLECTION_ID, PUBLIC_KEY, SECRET_KEY, Fault, V1Server

if TYPE_CHECKING:
    from pathlib import Path


def test_names_order_and_defaults_are_those_of_visualsnoop() -> None:
    def positional(function: Any) -> dict[str, Any]:
        return {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name != "self"
        }

    required = inspect.Parameter.empty
    assert DEFAULT_ENDPOINT == "http://visualsnoop.com/api/v1"
    assert list(positional(Collection).items()) == [
        ("public_key", required),
        ("secret_key", required),
        ("endpoint", DEFAULT_ENDPOINT),
        ("proxies", None),
        ("max_retries", 2),
    ]
    assert list(positional(Collection.add_image).items()) == [
        ("image", required),
        ("image_id", None),
        ("update_existing", False),
        ("timeout", None),
    ]
    for call in (Collection.get_image, Collection.delete_image, Collection.search_images_by_id):
        assert list(positional(call).items()) == [("image_id", required), ("timeout", None)]
    assert list(positional(Collection.search_images).items()) == [
        ("image", required),
        ("timeout", None),
    ]
    assert list(positional(Collection.get_images).items()) == [
        ("start", None),
        ("count", None),
        ("timeout", None),
    ]


def test_making_one_asks_which_collection_it_is(server: V1Server) -> None:
    client = Collection(PUBLIC_KEY, SECRET_KEY, server.endpoint + "/")
    assert (client.id, client.name, client.user) == (COLLECTION_ID, "Tests", "someone@example.com")
    assert client.endpoint == server.endpoint
    assert [received.target for received in server.received] == ["/api/v1/collection?session=init"]


def test_one_that_does_not_connect_asks_when_it_must(server: V1Server) -> None:
    client = Collection(PUBLIC_KEY, SECRET_KEY, server.endpoint, connect=False)
    assert server.received == []
    assert client.id == COLLECTION_ID
    assert client.name == "Tests"
    assert len(server.received) == 1


def test_wrong_keys_show_when_it_is_made(server: V1Server) -> None:
    with pytest.raises(AuthenticationError, match="Unknown key or bad signature"):
        Collection(PUBLIC_KEY, "wrong", server.endpoint)


@pytest.mark.parametrize("body", [b'{"message": "No such collection"}', b"{}"])
@pytest.mark.parametrize("status", [200, 404])
def test_a_service_that_does_not_say_which_collection_it_is(
    server: V1Server, body: bytes, status: int
) -> None:
    server.faults.append(Fault(status, body=body))
    with pytest.raises(VisualSnoopError, match=r"No such|did not say|not as API v1") as caught:
        Collection(PUBLIC_KEY, SECRET_KEY, server.endpoint)
    assert caught.value.status == status


def test_the_documented_outcomes_are_returned(client: Collection) -> None:
    added = client.add_image(image(1), "a")
    assert set(added) == {"image_time", "collection_id", "image_id", "message", "status"}
    assert (added["status"], added["image_id"]) == (201, "a")
    assert client.add_image(image(1), "a")["status"] == 409
    assert client.add_image(image(2), "a", True)["status"] == 200
    assert client.add_image(image(1), "b", update_existing=True)["status"] == 201
    assert client.get_image("a")["status"] == 200
    assert client.search_images(image(1))["results"] == [{"id": "b", "rank": 0}]
    assert client.search_images_by_id("b")["results"] == []
    assert client.delete_image("a")["message"] == "Deleted"
    for answer in (
        client.get_image("a"),
        client.delete_image("a"),
        client.search_images_by_id("a"),
    ):
        assert answer == {"status": 404, "message": "Image not found"}
    assert client.add_image(b"no picture")["status"] == 415
    assert client.add_image(b"")["status"] == 400


@pytest.mark.parametrize("image_id", ODD_IDS)
def test_ids_arrive_as_they_are(server: V1Server, client: Collection, image_id: str) -> None:
    assert client.add_image(image(1), image_id)["image_id"] == image_id
    assert client.search_images_by_id(image_id)["image_id"] == image_id
    page = client.get_images(start=image_id)
    assert [listed["id"] for listed in page["images"]] == [image_id]
    assert client.delete_image(image_id)["image_id"] == image_id


def test_ids_are_quoted_as_servers_quote_them_again(server: V1Server, client: Collection) -> None:
    client.get_image("/a b/é?%!$&'()*+,:;=@-._~")
    assert server.received[0].target == ("/api/v1/image//a%20b/%C3%A9%3F%25!$&'()*+,:;=@-._~")


@pytest.mark.parametrize("image_id", IMPOSSIBLE_IDS)
def test_impossible_ids_are_not_sent(server: V1Server, client: Collection, image_id: str) -> None:
    for call in (client.get_image, client.delete_image, client.search_images_by_id):
        with pytest.raises(InvalidImageIdError):
            call(image_id)
    with pytest.raises(InvalidImageIdError):
        client.add_image(image(1), image_id)
    assert server.received == []


def test_an_image_is_sent_whole_and_with_its_length(
    server: V1Server, client: Collection, tmp_path: Path
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(image(1))
    half_read = io.BytesIO(image(1))
    half_read.read(100)
    for source in (path, str(path), image(1), half_read):
        client.search_images(source)
    client.search_images(b"")
    assert [received.body for received in server.received] == [image(1)] * 4 + [b""]
    for received in server.received:
        assert received.headers["Content-Length"] == str(len(received.body))
        assert "Transfer-Encoding" not in received.headers


def test_listing_asks_only_for_what_is_given(server: V1Server, client: Collection) -> None:
    client.get_images()
    client.get_images(None, 7)
    client.get_images("a b&c", count=0)
    assert [received.target for received in server.received] == [
        "/api/v1/images",
        "/api/v1/images?count=7",
        "/api/v1/images?start=a+b%26c",
    ]


def test_iter_images_walks_all_pages(
    server: V1Server, client: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_visualsnoop.client.models.LARGEST_PAGE", 2)
    for image_id in "abcde":
        client.add_image(image(1), image_id)
    server.received.clear()
    assert "".join(listed["id"] for listed in client.iter_images()) == "edcba"
    assert len(server.received) == 3
    server.faults.append(Fault.refusal(404, "Gone"))
    with pytest.raises(VisualSnoopError, match="Gone"):
        next(client.iter_images())


def test_plain_http_is_warned_of_once_per_place(server: V1Server) -> None:
    proxies = {"http": server.endpoint.removesuffix("/api/v1")}
    about = b'{"collection_id": "5eed1234"}'
    server.faults.extend([Fault(body=about)] * 3)
    with warnings.catch_warnings(record=True, action="default") as caught:
        for _ in range(2):
            Collection(PUBLIC_KEY, SECRET_KEY, "http://me:hush@images.invalid/api/v1", proxies)
        Collection(PUBLIC_KEY, SECRET_KEY, server.endpoint)
    assert [str(warning.message) for warning in caught] == [
        (
            "The endpoint http://images.invalid/api/v1 uses plain http, so images and responses "
            "are not encrypted. Use an https endpoint."
        )
    ]
    assert caught[0].filename == __file__


def test_the_secret_is_nowhere_to_be_seen(server: V1Server, client: Collection) -> None:
    shown = [repr(client), repr(client.session.auth)]
    server.faults.append(Fault.refusal(401))
    for call in (client.get_image, unreachable().get_image):
        with pytest.raises(VisualSnoopError) as caught:
            call("a")
        shown += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
        shown.append(repr(pickle.dumps(caught.value)))
    assert not [text for text in shown if SECRET_KEY in text]
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            take(client)


def unreachable() -> Collection:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    return Collection(PUBLIC_KEY, SECRET_KEY, endpoint, max_retries=0, connect=False)


def test_credentials_in_the_endpoint_are_not_shown() -> None:
    endpoint = unreachable().endpoint.replace("//", "//me:hush@")
    client = Collection(PUBLIC_KEY, SECRET_KEY, endpoint, max_retries=0, connect=False)
    with pytest.raises(TransportError) as caught:
        client.get_image("a")
    assert "hush" not in str(caught.value) + repr(client)
