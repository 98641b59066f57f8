from __future__ import annotations

from datetime import timedelta

import pytest

from django_visualsnoop.engine.models import PairVerdict
from django_visualsnoop.server.content import duplicates, groups, not_duplicates, pictures
from django_visualsnoop.server.content.images import HostedImages
from tests.collections.contract import image
from tests.engine.flavours import draw_receipt, encode
from tests.server.hosting import Tenant, call, tenant

pytestmark = pytest.mark.django_db(transaction=True)


def found(whose: Tenant, count: int = 0) -> list[list[str]]:
    shown = duplicates.find_duplicates(HostedImages(whose.collection), count)
    assert shown.complete
    assert all(0.5 < member.similarity <= 1 for group in shown.groups for member in group)
    return [[member.image_id for member in group] for group in shown.groups]


def test_groups_follow_every_change(ann: Tenant) -> None:
    assert found(ann) == []
    for image_id, number in (("a", 1), ("b", 2), ("c", 1), ("d", 3)):
        call(ann, "PUT", f"/image/{image_id}", image(number))
    assert found(ann) == [["a", "c"]]
    call(ann, "PUT", "/image/d", image(2))
    assert sorted(found(ann)) == [["a", "c"], ["b", "d"]]
    call(ann, "DELETE", "/image/a")
    assert found(ann) == [["b", "d"]]


def test_what_was_called_no_duplicate_is_in_no_group(ann: Tenant) -> None:
    for image_id in ("a", "b"):
        call(ann, "PUT", f"/image/{image_id}", image(1))
    assert found(ann) == [["a", "b"]]
    images = HostedImages(ann.collection)
    pair = not_duplicates.make_pair("a", "b")
    not_duplicates.mark_pair(images, pair)
    assert found(ann) == []
    not_duplicates.unmark_pair(images, pair)
    assert found(ann) == [["a", "b"]]


def test_of_a_large_collection_the_newest_are_compared(
    ann: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "NEWEST", 1)
    for image_id, number in (("a", 1), ("b", 1), ("c", 2), ("d", 2)):
        call(ann, "PUT", f"/image/{image_id}", image(number))
    assert found(ann, duplicates.MAX_COMPARED + 1) == [["c", "d"]]


@pytest.mark.usefixtures("folder")
class TestCloserLook:
    @pytest.fixture
    def receipts(self, ann: Tenant) -> Tenant:
        """Originals of two pictures of one receipt, and of one of another date."""
        ann.limit(retention="originals")
        page, other = draw_receipt("02/05/2026  Till 3"), draw_receipt("19/11/2026  Till 8")
        for image_id, content in (
            ("a", encode(page)),
            ("b", encode(page, 60)),
            ("other", encode(other)),
        ):
            call(ann, "PUT", f"/image/{image_id}", content)
        return ann

    def test_retained_originals_are_read_again(self, receipts: Tenant) -> None:
        assert sorted(map(sorted, found(receipts))) == [["a", "b"]]
        group = groups.find_group(HostedImages(receipts.collection), "other", None)
        assert group == ([], True)

    def test_the_first_verdict_stays_without_originals(self, receipts: Tenant) -> None:
        receipts.limit(retention="thumbnails")
        pictures.delete_unwanted(receipts.collection)
        assert sorted(map(sorted, found(receipts))) == [["a", "b", "other"]]

    def test_a_request_looks_at_few_pairs_and_the_next_goes_on(
        self, receipts: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(groups, "MAX_LOOKS", 2)
        images = HostedImages(receipts.collection)
        assert not groups.find_all_groups(images, None).complete
        result = groups.find_all_groups(images, None)
        assert result.complete
        assert [{one.image_id for one in group} for group in result.groups] == [{"a", "b"}]

    def test_an_incomplete_result_is_not_shown_for_long(
        self, receipts: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = HostedImages(receipts.collection)
        with monkeypatch.context() as patch:
            patch.setattr(groups, "MAX_LOOKS", 0)
            assert not duplicates.find_duplicates(images, 3).complete
        assert not duplicates.find_duplicates(images, 3).complete
        monkeypatch.setattr(duplicates, "_INCOMPLETE_FOR", timedelta())
        assert duplicates.find_duplicates(images, 3).complete

    def test_organisations_do_not_share_verdicts(self, receipts: Tenant) -> None:
        found(receipts)
        before = PairVerdict.objects.count()
        other = tenant("Other", "eve@example.com")
        other.limit(retention="originals")
        for image_id, date in (("a", "02/05/2026  Till 3"), ("b", "19/11/2026  Till 8")):
            call(other, "PUT", f"/image/{image_id}", encode(draw_receipt(date)))
        assert found(other) == []
        assert PairVerdict.objects.count() == before + 1
