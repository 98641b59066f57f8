from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_visualsnoop.server.content import not_duplicates
from django_visualsnoop.server.content.images import HostedImages
from django_visualsnoop.server.pages import not_duplicates as not_duplicates_page
from django_visualsnoop.server.pages.converters import ImageId
from tests.collections.contract import image
from tests.server.pages.conftest import Person, add

if TYPE_CHECKING:
    from django_visualsnoop.server.models import HostedCollection

pytestmark = pytest.mark.django_db

#: A form's value may not keep a new line as it is.
NAMES = ("a\nb", "c/d", "é")


@pytest.fixture
def hosted(ann: Person) -> HostedCollection:
    made = ann.collection()
    for image_id in NAMES:
        add(made, image_id, image(1))
    return made


def forms(*image_ids: str) -> list[str]:
    return [ImageId().to_url(image_id) for image_id in image_ids]


def pairs(hosted: HostedCollection) -> list[tuple[str, str]]:
    return list(not_duplicates.list_pairs(HostedImages(hosted)))


def test_one_is_taken_out_of_its_group_and_put_back(ann: Person, hosted: HostedCollection) -> None:
    shown = ann.get("duplicates", hosted.pk).text
    assert "Group 1: 3 images" in shown
    for value in forms(*NAMES):
        assert f'name="member" value="{value}"' in shown
        assert f'name="image" value="{value}"' in shown
    members = forms(*NAMES)
    answer = ann.post("not_duplicates", hosted.pk, image=members[0], member=members)
    shown = ann.client.get(answer.url).text
    assert "was marked as not a duplicate of 2 other images." in shown
    assert "Group 1: 2 images" in shown
    assert forms(NAMES[0])[0] not in shown
    assert sorted(pairs(hosted)) == [(NAMES[0], NAMES[1]), (NAMES[0], NAMES[2])]

    listed = ann.get("not_duplicates", hosted.pk).text
    assert listed.count("Remove the mark") == 2
    for other in members[1:]:
        assert (
            ann.post("unmark_not_duplicates", hosted.pk, member=[other, members[0]]).status_code
            == 302
        )
    assert pairs(hosted) == []
    assert "Group 1: 3 images" in ann.get("duplicates", hosted.pk).text
    assert "No pair is marked." in ann.get("not_duplicates", hosted.pk).text


def test_of_a_pair_where_one_is_gone_nothing_is_remembered(
    ann: Person, hosted: HostedCollection
) -> None:
    members = forms(*NAMES)
    HostedImages(hosted).delete(NAMES[2])
    answer = ann.post("not_duplicates", hosted.pk, image=members[0], member=members)
    assert "One of these images has been deleted." in ann.client.get(answer.url).text
    assert pairs(hosted) == []


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"image": "eA"},
        {"image": "eA", "member": "eA"},
        {"image": "Li4", "member": "eA"},
        {"image": "eA", "member": "A"},
        {"member": ["eA", "eA"]},
        {"member": ["eA", "eQ", "eg"]},
    ],
)
def test_forms_that_cannot_be(ann: Person, hosted: HostedCollection, data: dict[str, str]) -> None:
    for name in ("not_duplicates", "unmark_not_duplicates"):
        assert ann.post(name, hosted.pk, **data).status_code == 404
    assert pairs(hosted) == []


def test_pages_of_pairs(
    ann: Person, hosted: HostedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_duplicates_page, "PAIRS_PER_PAGE", 1)
    members = forms(*NAMES)
    ann.post("not_duplicates", hosted.pk, image=members[0], member=members)
    assert "Page 1 of 2" in ann.get("not_duplicates", hosted.pk).text
    assert "Page 2 of 2" in ann.get("not_duplicates", hosted.pk, page="2").text
