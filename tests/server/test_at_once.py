"""What several processes and clients see while others write, over real sockets."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.content.images import HostedImages
from tests.collections.contract import image
from tests.server.hosting import tenant
from tests.server.serving import PATIENCE
from tests.server.test_servers import small

if TYPE_CHECKING:
    from django_visualsnoop.client.models import Collection
    from tests.server.hosting import Tenant
    from tests.server.serving import Served, Servers

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

IMAGES = 2500


def fill(whose: Tenant, ids: list[str]) -> None:
    """Store one picture under many ids."""
    images = HostedImages(whose.collection)
    one = images.gallery.describe_image(image(1), "")
    for start in range(0, len(ids), 500):
        images.store.put([replace(one, image_id=name) for name in ids[start : start + 500]])


def answered(server: Served, request: str) -> set[str]:
    """Return the ids of gunicorn's processes that answered a request, of at least two times."""
    give_up = time.monotonic() + PATIENCE
    pattern = re.compile(rf"answered by <?(\d+)>?: {re.escape(request)} HTTP")
    while len(pids := pattern.findall(server.log.read_text())) < 2:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    return set(pids)


def test_what_one_server_added_another_finds(servers: Servers) -> None:
    """Two servers are two processes; each has searched before, so its index is in memory."""
    ann = tenant()
    first, second = servers["gunicorn"], servers["uvicorn"]
    known: set[str] = set()
    for number in range(8):
        image_id = str(number)
        assert first.send(ann, "POST", f"/image/{image_id}", image(1)).status == 201
        known.add(image_id)
        found = second.send(ann, "POST", "/search", image(1)).body["results"]
        assert {match["id"] for match in found} == known
        first, second = second, first
    for image_id in list(known):
        assert first.send(ann, "DELETE", f"/image/{image_id}").status == 200
        known.remove(image_id)
        found = second.send(ann, "POST", "/search", image(1)).body["results"]
        assert {match["id"] for match in found} == known
        first, second = second, first


def test_both_workers_of_a_server_find_what_was_added(servers: Servers) -> None:
    gunicorn, ann = servers["gunicorn"], tenant()
    base = f"{ann.collection_id}-0"
    assert gunicorn.send(ann, "POST", f"/image/{base}", image(1)).status == 201
    seen: set[str] = set()

    def search(image_id: str) -> None:
        reply = gunicorn.send(ann, "GET", f"/search/{image_id}")
        assert base in {match["id"] for match in reply.body["results"]}

    with ThreadPoolExecutor(2) as two:
        for number in range(1, 9):
            image_id = f"{ann.collection_id}-{number}"
            assert gunicorn.send(ann, "POST", f"/image/{image_id}", image(1)).status == 201
            list(two.map(search, [image_id, image_id]))
            seen |= answered(gunicorn, f"GET /api/v1/search/{image_id}")
    assert len(seen) == 2


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_lists_while_others_add_and_delete(servers: Servers, name: str) -> None:
    served, ann = servers[name], tenant()
    ids = [f"image-{number}" for number in range(IMAGES)]
    fill(ann, ids)
    going, coming = ids[::60], [f"new-{number}" for number in range(20)]
    changed = threading.Semaphore(0)

    def change(client: Collection) -> None:
        for place, image_id in enumerate(going):
            assert client.delete_image(image_id)["status"] == 200
            changed.release()
            if place < len(coming):
                assert client.add_image(small(), coming[place])["status"] == 201
                changed.release()

    with ThreadPoolExecutor(1) as other:
        changing = other.submit(change, served.client(ann))
        reader = served.client(ann)
        listed, start = [], None
        while True:
            page = reader.get_images(start=start, count=100)
            listed += [item["id"] for item in page["images"]]
            start = page["next_image_id"]
            if start is None:
                break
            assert changed.acquire(timeout=PATIENCE)  # between any two pages there is a change
        changing.result()
    stay = set(ids) - set(going)
    assert len(listed) == len(set(listed))
    assert stay <= set(listed) <= {*ids, *coming}
    assert {item["id"] for item in reader.iter_images()} == {*stay, *coming}
