"""Closer looks at found pairs: what they change, what they cost, and what is remembered."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, transaction

from django_visualsnoop.common.budgets import Budget
from django_visualsnoop.engine import closer_looks
from django_visualsnoop.engine.gallery import Gallery
from django_visualsnoop.engine.matching.closer_look import VERSION, CloserLook, look_closer
from django_visualsnoop.engine.models import IndexedImage, PairVerdict
from django_visualsnoop.engine.storage import publish
from tests.engine.flavours import draw_receipt, encode

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_visualsnoop.common.open_pictures import OpenPicture

pytestmark = pytest.mark.django_db


class Files:
    """Files by image id, and what was opened."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.opened: list[str] = []
        self.calls = 0

    def find(self, image_ids: Collection[str]) -> dict[str, OpenPicture]:
        self.calls += 1
        return {one: self._opener(one) for one in image_ids if one in self.contents}

    def _opener(self, image_id: str) -> OpenPicture:
        def open_file() -> IO[bytes]:
            self.opened.append(image_id)
            return io.BytesIO(self.contents[image_id])

        return open_file


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def gallery() -> Gallery:
    return Gallery("default", "shop")


def add(gallery: Gallery, files: Files, **contents: bytes) -> None:
    files.contents |= contents
    gallery.store.put([gallery.describe_image(one, name) for name, one in contents.items()])


def pairs(gallery: Gallery, files: Files, **options: Any) -> list[tuple[str, str]]:
    found = gallery.find_pairs(find_pictures=files.find, **options)
    return sorted((pair.first_id, pair.second_id) for pair in found)


@pytest.fixture
def receipts(gallery: Gallery, files: Files) -> Files:
    """A receipt, two copies of it, and one of another date."""
    page = draw_receipt("02/05/2026   Till 3")
    other = draw_receipt("19/11/2026   Till 8")
    small = page.resize((360, 480))
    add(
        gallery,
        files,
        a=encode(page),
        b=encode(page, 60),
        c=encode(small),
        other=encode(other),
    )
    return files


COPIES = [("a", "b"), ("a", "c"), ("b", "c")]


def test_what_differs_in_a_few_letters_is_no_copy(gallery: Gallery, receipts: Files) -> None:
    without = [(pair.first_id, pair.second_id) for pair in gallery.find_pairs()]
    assert len(without) == 6
    assert pairs(gallery, receipts) == COPIES
    known = PairVerdict.objects.values_list("relation", flat=True)
    assert sorted(known) == ["copy"] * 3 + ["variant"] * 3


def test_no_pair_is_looked_at_twice(gallery: Gallery, receipts: Files) -> None:
    first = pairs(gallery, receipts)
    # Each file once, though each is of three pairs; many are found with one call.
    assert sorted(receipts.opened) == ["a", "b", "c", "other"]
    calls = receipts.calls
    assert calls <= 2
    assert pairs(gallery, receipts) == first
    assert len(receipts.opened) == 4
    assert receipts.calls == calls
    # Those of another version are void, and are deleted.
    PairVerdict.objects.update(version=VERSION - 1)
    assert pairs(gallery, receipts) == first
    assert len(receipts.opened) == 8
    assert {row.version for row in PairVerdict.objects.all()} == {VERSION}


def test_an_interrupted_run_goes_on_where_it_was(
    gallery: Gallery, receipts: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def stop_at_third(*args: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise TimeoutError
        return look_closer(*args)

    monkeypatch.setattr(closer_looks, "look_closer", stop_at_third)
    with pytest.raises(TimeoutError):
        pairs(gallery, receipts)
    assert PairVerdict.objects.count() == 2
    assert pairs(gallery, receipts) == COPIES
    assert looks == 3 + 4


def test_what_the_caller_raises_loses_no_verdict(gallery: Gallery, receipts: Files) -> None:
    for _ in gallery.find_pairs(find_pictures=receipts.find):
        break
    assert PairVerdict.objects.exists()


def raise_error() -> IO[bytes]:
    raise OSError("The storage is away.")


@pytest.mark.parametrize(
    "content", [None, b"", b"no picture", b"\xff\xd8\xff" + bytes(100)], ids=str
)
def test_the_first_verdict_stays_if_a_file_is_gone_or_another(
    gallery: Gallery, receipts: Files, content: bytes | None
) -> None:
    if content is None:
        del receipts.contents["other"]
    else:
        receipts.contents["other"] = content
    assert len(pairs(gallery, receipts)) == 6
    assert PairVerdict.objects.count() == 3


def test_a_storage_may_fail(gallery: Gallery, receipts: Files) -> None:
    def find(image_ids: Collection[str]) -> dict[str, OpenPicture]:
        return dict.fromkeys(image_ids, raise_error)

    assert len(list(gallery.find_pairs(find_pictures=find))) == 6
    assert not PairVerdict.objects.exists()


def test_a_file_larger_than_allowed_is_not_read(gallery: Gallery, files: Files) -> None:
    page = draw_receipt("02/05/2026")
    add(gallery, files, a=encode(page), b=encode(page, 60))
    small = Gallery("default", "shop", max_bytes=1000)
    read: list[int] = []

    class Counted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            read.append(size or -1)
            return super().read(size)

    def find(image_ids: Collection[str]) -> dict[str, OpenPicture]:
        return {one: lambda one=one: Counted(files.contents[one]) for one in image_ids}  # type: ignore[misc]

    assert len(list(small.find_pairs(find_pictures=find))) == 1
    assert set(read) == {1001}


def test_an_interruption_is_not_taken_for_a_fault(gallery: Gallery, receipts: Files) -> None:
    def interrupt() -> IO[bytes]:
        raise KeyboardInterrupt

    def find(image_ids: Collection[str]) -> dict[str, OpenPicture]:
        return dict.fromkeys(image_ids, interrupt)

    with pytest.raises(KeyboardInterrupt):
        list(gallery.find_pairs(find_pictures=find))


def test_pictures_that_cannot_be_laid_over_each_other_stay_copies(
    gallery: Gallery, receipts: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closer_looks, "look_closer", lambda *args: None)
    assert len(pairs(gallery, receipts)) == 6
    opened = len(receipts.opened)
    assert len(pairs(gallery, receipts)) == 6
    assert len(receipts.opened) == opened  # that, too, is remembered


def test_equal_files_need_no_look(gallery: Gallery, files: Files) -> None:
    page = encode(draw_receipt("02/05/2026"))
    add(gallery, files, a=page, b=page)
    assert pairs(gallery, files) == [("a", "b")]
    assert not files.opened


def test_one_file_under_many_ids_is_looked_at_once(gallery: Gallery, files: Files) -> None:
    page = draw_receipt("02/05/2026")
    one, other = encode(page), encode(page, 60)
    add(gallery, files, a=one, b=one, c=other, d=other)
    assert len(pairs(gallery, files)) == 6
    assert len(files.opened) == 2
    assert PairVerdict.objects.count() == 1


def test_a_budget_bounds_the_looks_and_the_next_run_goes_on(
    gallery: Gallery, receipts: Files
) -> None:
    def run() -> tuple[int, Budget]:
        budget = Budget(looks=2)
        return len(pairs(gallery, receipts, budget=budget)), budget

    found, budget = run()
    assert found <= 2  # nothing is proposed before it was looked at
    assert (budget.complete, budget.looks) == (False, 0)
    run()
    found, budget = run()
    assert (found, budget.complete) == (3, True)
    assert Budget().looking_seconds > budget.looking_seconds


def test_no_look_begins_after_the_time(gallery: Gallery, receipts: Files) -> None:
    budget = Budget(looking_seconds=0)
    assert pairs(gallery, receipts, budget=budget) == []
    assert not budget.complete
    assert not receipts.opened


def test_another_file_voids_what_is_known_of_the_old(gallery: Gallery, receipts: Files) -> None:
    pairs(gallery, receipts)
    assert PairVerdict.objects.count() == 6
    add(gallery, receipts, other=receipts.contents["b"])
    assert PairVerdict.objects.count() == 3
    assert len(pairs(gallery, receipts)) == 6
    # Described again, of the same file: what is known stays.
    add(gallery, receipts, a=receipts.contents["a"])
    assert PairVerdict.objects.count() == 3
    gallery.store.delete("a")
    assert PairVerdict.objects.count() == 1


def test_a_purge_leaves_no_verdict(gallery: Gallery, receipts: Files) -> None:
    pairs(gallery, receipts)
    gone = IndexedImage.objects.get(image_id="a")
    collection_id = gone.collection_id
    gallery.store.delete("a")
    # A run that began before the deletion may store one after it.
    other = IndexedImage.objects.exclude(pk=gone.pk).first()
    assert other is not None
    PairVerdict.objects.create(
        collection_id=collection_id, key="x", first=other, second=gone, version=VERSION,
        relation="copy", score=1, difference=0,
    )  # fmt: skip
    publish.publish("default", collection_id)
    IndexedImage.objects.filter(pk=gone.pk).update(seq=1, deleted=1)
    publish.purge("default", collection_id, 0)
    publish.purge("default", collection_id, 0)
    assert not PairVerdict.objects.filter(key="x").exists()


def test_a_dropped_collection_leaves_no_verdict(gallery: Gallery, receipts: Files) -> None:
    pairs(gallery, receipts)
    gallery.store.drop()
    assert not PairVerdict.objects.exists()


def test_collections_do_not_share_verdicts(gallery: Gallery, receipts: Files) -> None:
    pairs(gallery, receipts)
    other, own = Gallery("default", "other"), Files()
    add(other, own, **receipts.contents)
    assert pairs(other, own) == COPIES
    assert len(own.opened) == 4  # looked at again: nothing was known
    assert PairVerdict.objects.count() == 12


def test_a_failure_to_store_harms_nothing(
    gallery: Gallery, receipts: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise DatabaseError("read only")

    with monkeypatch.context() as patch:
        patch.setattr(PairVerdict.objects, "using", fail)
        patch.setattr(closer_looks, "read_verdicts", lambda *args: {})
        with transaction.atomic():
            assert pairs(gallery, receipts) == COPIES
            assert IndexedImage.objects.count() == 4


def test_progress_is_told(gallery: Gallery, receipts: Files) -> None:
    shares: list[float] = []
    pairs(gallery, receipts, progress=shares.append)
    assert shares == sorted(shares)


def test_a_large_group_costs_a_look_for_each_compared_pair(
    gallery: Gallery, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = draw_receipt("02/05/2026")
    add(gallery, files, **{f"p{number:02}": encode(page, 60 + number) for number in range(30)})
    looks: list[object] = []

    def look(*args: object) -> CloserLook:
        looks.append(args)
        return CloserLook("copy", 3.0, 0.0)

    monkeypatch.setattr(closer_looks, "look_closer", look)
    found = pairs(gallery, files)
    assert len(looks) == len(found) < 30 * 8


def test_edits_are_described_from_files_and_without_them(gallery: Gallery, files: Files) -> None:
    page = draw_receipt("02/05/2026   Till 3")
    noted = draw_receipt("PAID  PAID  PAID  PAID")
    add(gallery, files, a=encode(page), b=encode(noted, 80), c=encode(page, 70))
    found = gallery.describe_edits([("a", "b"), ("b", "a"), ("a", "c"), ("a", "x")], files.find)
    assert found.keys() == {("a", "b"), ("b", "a"), ("a", "c")}
    assert sorted(files.opened) == ["a", "b", "c"]
    assert files.calls == 1
    assert found["a", "b"].changed is not None
    assert found["a", "c"].changed is None
    files.contents["b"] = files.contents["c"]  # not the file that was described
    assert gallery.describe_edits([("a", "b")], files.find)["a", "b"].scale == pytest.approx(
        1, abs=0.02
    )
