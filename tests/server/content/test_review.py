"""Which groups are still to be reviewed; the page's tests carry decisions out."""

from __future__ import annotations

import pytest

from django_visualsnoop.server.content import review
from django_visualsnoop.server.content.duplicates import find_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.content.not_duplicates import make_pair, mark_pair
from django_visualsnoop.server.content.review import Review, decide, make_fingerprint
from tests.collections.contract import image
from tests.server.hosting import Tenant, call

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_next_group_is_the_first_one_that_is_left(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review, "_AHEAD", 1)
    for number in range(1, 6):
        for copy in "ab":
            call(ann, "PUT", f"/image/{number}{copy}", image(number))
    images = HostedImages(ann.collection)
    reviewed = Review(images, find_duplicates(images, 10))
    places = {}
    for number in range(1, 6):
        found = reviewed.find(f"{number}a")
        assert found is not None
        assert found.is_open
        places[found.place] = str(number)
    first, deleted, marked, kept, last = (places[place] for place in range(5))

    images.delete(f"{deleted}b")
    mark_pair(images, make_pair(f"{marked}a", f"{marked}b"))
    digests = images.store.read_details([f"{kept}a", f"{kept}b"])
    decide(images, {name: one.digest for name, one in digests.items()}, keep_rest=True)
    following = reviewed.find_next(0)
    assert following is not None
    assert following.members[0].image_id[0] == last
    again = reviewed.find_next(4)
    assert again is not None
    assert again.members[0].image_id[0] == first

    call(ann, "PUT", f"/image/{first}a", image(7))
    call(ann, "PUT", f"/image/{last}a", image(8))
    assert reviewed.find_next(0) is None


def test_a_group_with_another_picture_is_another_group() -> None:
    group = {"a": "1", "b": "2"}
    assert make_fingerprint(group) == make_fingerprint({"b": "2", "a": "1"})
    assert make_fingerprint(group) != make_fingerprint(group | {"b": "3"})
    assert make_fingerprint(group) != make_fingerprint(group | {"c": "2"})
