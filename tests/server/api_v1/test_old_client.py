"""The client of 2015, unmodified: ``pip install visualsnoop==0.2``, and this runs.

Or in any other environment that has it and ``requests``, such as one of Python 3.8, where it needs
no help: ``OLD_PYTHON=/path/to/python``.
"""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import services
from tests.collections.contract import ODD_IDS, image
from tests.server.hosting import tenant
from tests.server.serving import MAIN_SERVERS
from tests.server.test_at_once import IMAGES, fill
from tests.server.test_servers import small

if TYPE_CHECKING:
    from tests.server.hosting import Tenant
    from tests.server.serving import Served, Servers

main_servers = pytest.mark.parametrize("served", MAIN_SERVERS, indirect=True)

pytestmark = [
    pytest.mark.http,
    pytest.mark.django_db(transaction=True),
    pytest.mark.service("visualsnoop"),
]


def run(served: Served, whose: Tenant, *calls: tuple[Any, ...], minutes: float = 0) -> Any:
    """Return what the old client says to calls, each a name and arguments."""
    asked = {
        "keys": [whose.public_key, whose.secret],
        "endpoint": served.endpoint,
        "minutes": minutes,
        "calls": [[name, [_written(one) for one in given]] for name, *given in calls],
    }
    done = subprocess.run(
        [services.require("visualsnoop"), Path(__file__).with_name("old_client.py")],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def _written(argument: Any) -> Any:
    if isinstance(argument, bytes):
        return {"base64": b64encode(argument).decode()}
    return argument


@main_servers
def test_every_call(served: Served) -> None:
    ann = tenant("Holidays")
    said = run(
        served,
        ann,
        ("add_image", image(1)),
        ("add_image", image(1), "a"),
        ("add_image", image(2), "a"),
        ("add_image", image(1), "a", True),
        ("add_image", image(1), "b", True),
        ("get_image", "a"),
        ("search_images", image(1)),
        ("search_images_by_id", "a"),
        ("get_images", None, 2),
        ("get_images", "a", 1),
        ("delete_image", "a"),
        ("get_image", "a"),
        ("delete_image", "a"),
        ("search_images_by_id", "a"),
    )
    assert said["about"] == [ann.collection_id, "Holidays", "ann@example.com"]
    answers = said["answers"]
    statuses = [201, 201, 409, 200, 201, 200, 200, 200, 200, 200, 200, 404, 404, 404]
    assert [answer["status"] for answer in answers] == statuses
    chosen = answers[0]["image_id"]
    assert answers[5]["image_id"] == "a"
    assert {match["id"] for match in answers[6]["results"]} == {chosen, "a", "b"}
    assert {match["id"] for match in answers[7]["results"]} == {chosen, "b"}
    assert ([item["id"] for item in answers[8]["images"]], answers[8]["next_image_id"]) == (
        ["b", "a"],
        chosen,
    )
    assert [item["id"] for item in answers[9]["images"]] == ["a"]


@main_servers
def test_odd_ids(served: Served) -> None:
    """It does not quote ids: ``?``, ``#``, ``..`` and what looks quoted are not to be had."""
    ids = [one for one in ODD_IDS if not set("?#%[\t\n") & set(one) and one.strip(" /.") == one]
    assert {"two words", "a/b", "café", "x" * 100} <= set(ids)
    calls = [(name, *arguments, one, *rest) for one in ids for name, arguments, rest in _THREE]
    answers = run(served, tenant(), *calls)["answers"]
    said = [(answer["status"], answer.get("image_id")) for answer in answers]
    assert said == [(status, one) for one in ids for status in (201, 200, 200)]
    for impossible in ("x" * 101, "é" * 101):
        (answer,) = run(served, tenant(), ("add_image", small(), impossible))["answers"]
        assert answer["status"] == 400


_THREE: list[tuple[str, list[Any], list[Any]]] = [
    ("add_image", [small()], []),
    ("get_image", [], []),
    ("delete_image", [], []),
]


@main_servers
def test_a_new_line_in_an_id(served: Served) -> None:
    added, got = run(
        served, tenant(), ("add_image", small(), "line\nbreak"), ("get_image", "line\nbreak")
    )["answers"]
    assert (added["status"], added["image_id"], got["status"]) == (201, "line\nbreak", 200)


@main_servers
def test_wrong_keys(served: Served) -> None:
    ann = tenant()
    wrong = {type(ann)(ann.collection_id, ann.public_key, "wrong")}
    wrong.add(type(ann)(ann.collection_id, "0" * 20, ann.secret))
    for one in wrong:
        assert "unknown or the signature is wrong" in run(served, one)["error"]


@main_servers
def test_a_clock_that_is_wrong(served: Served) -> None:
    ann = tenant()
    for minutes in (-74, 14):
        assert run(served, ann, minutes=minutes)["about"][0] == ann.collection_id
    for minutes in (-76, 16):
        assert "clock" in run(served, ann, minutes=minutes)["error"]


@main_servers
def test_uploads_at_once(served: Served) -> None:
    ann = tenant()

    def upload(who: int) -> list[int]:
        own = [("add_image", small(), f"{who}-{number}") for number in range(5)]
        # Of one picture, in one second, it would be one request, sent again.
        answers = run(served, ann, *own, ("add_image", image(who), "wanted by all"))["answers"]
        return [answer["status"] for answer in answers]

    with ThreadPoolExecutor(4) as clients:
        statuses = list(clients.map(upload, range(4)))
    assert [of_one[:5] for of_one in statuses] == [[201] * 5] * 4
    assert sorted(of_one[5] for of_one in statuses) == [201, 409, 409, 409]
    (page,) = run(served, ann, ("get_images", None, 100))["answers"]
    assert len(page["images"]) == 21


def test_lists_while_others_add_and_delete(servers: Servers) -> None:
    served, ann = servers["gunicorn"], tenant()
    ids = [f"image-{number}" for number in range(IMAGES)]
    fill(ann, ids)
    going, coming = ids[::60], [f"new-{number}" for number in range(20)]

    def change() -> None:
        client = served.client(ann)
        for place, image_id in enumerate(going):
            assert client.delete_image(image_id)["status"] == 200
            if place < len(coming):
                assert client.add_image(small(), coming[place])["status"] == 201

    with ThreadPoolExecutor(1) as other:
        changing = other.submit(change)
        listed: list[str] = []
        start = None
        while True:  # a process for each page, so that there are changes between them
            (page,) = run(served, ann, ("get_images", start, 700))["answers"]
            listed += [item["id"] for item in page["images"]]
            start = page["next_image_id"]
            if start is None:
                break
        changing.result()
    assert len(listed) == len(set(listed))
    assert set(ids) - set(going) <= set(listed) <= {*ids, *coming}
