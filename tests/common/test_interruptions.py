"""What comes from outside passes through, and says nothing about the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.files.storage import FileSystemStorage

from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.collections.recorder import RecorderCollection
from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.models import SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.signals import image_synced
from django_visualsnoop.sync import batch, worker
from django_visualsnoop.sync.batch import Batch
from django_visualsnoop.sync.outcome import Outcome
from django_visualsnoop.tasks import audit, sync_all, sync_records
from tests.collections.contract import image
from tests.fixtures import product, record_of
from tests.testapp.models import Listing, Product

if TYPE_CHECKING:
    from collections.abc import Callable

State = SyncRecord.State


def wrapped() -> Exception:
    """Return a time limit as a storage's library would wrap it."""
    try:
        try:
            raise SoftTimeLimitExceeded
        except SoftTimeLimitExceeded as error:
            raise OSError("the bucket did not answer") from error
    except OSError as error:
        return error


def out_of_time(*_: object, **__: object) -> Any:
    raise SoftTimeLimitExceeded


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded(), wrapped(), KeyboardInterrupt()])
def test_what_comes_from_outside(error: BaseException) -> None:
    assert is_interruption(error)


def test_what_does_not() -> None:
    error = ValueError("no picture")
    error.__context__ = error.__cause__ = OSError("cut off")
    assert not is_interruption(error)


def test_a_decoder_lets_it_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_visualsnoop.engine.images.decode._load_small", out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        decode(image(1))


@pytest.mark.django_db
def test_the_engine_keeps_what_it_has_described(monkeypatch: pytest.MonkeyPatch) -> None:
    collection = LocalCollection("default", {})
    described = LocalCollection._describe

    def limited(self: LocalCollection, content: Any, image_id: str) -> Any:
        return out_of_time() if image_id == "third" else described(self, content, image_id)

    monkeypatch.setattr(LocalCollection, "_describe", limited)
    answers = collection.add_images((name, image(1)) for name in ("first", "second", "third"))
    assert [next(answers)[0] for _ in range(2)] == ["first", "second"]
    with pytest.raises(SoftTimeLimitExceeded):
        next(answers)
    assert {one.image_id for one in collection.iter_images()} == {"first", "second"}


def test_a_slow_bulk_is_stored_before_it_is_full(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_visualsnoop.collections.local.BULK_SECONDS", 0.0)
    collection = LocalCollection("default", {})
    items = ((name, image(1)) for name in ("first", "second"))
    answers = collection.add_images(items)
    assert next(answers)[0] == "first"
    assert [one.image_id for one in collection.iter_images()] == ["first"]
    assert [name for name, _ in answers] == ["second"]


@pytest.fixture
def second_is_late(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the time limit come while a worker adds its second picture; the ids added before."""
    added: list[str] = []
    add_image = RecorderCollection.add_image

    def limited(self: RecorderCollection, content: Any, image_id: str, **kwargs: Any) -> Any:
        if added:
            raise wrapped()
        added.append(image_id)
        return add_image(self, content, image_id, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", limited)
    return added


@pytest.mark.django_db
def test_what_is_done_is_written_down_and_the_rest_given_back(
    recorder: RecorderCollection, second_is_late: list[str]
) -> None:
    for number in range(4):
        product(number)
    ids = list(SyncRecord.objects.values_list("pk", flat=True))
    outcome = Outcome()
    with pytest.raises(OSError, match="bucket"):
        worker.process_records(ids, using="default", outcome=outcome)
    assert (outcome.in_sync, len(outcome.retrying)) == (1, 1)
    done = SyncRecord.objects.get(image_id=second_is_late[0])
    assert done.state == State.IN_SYNC
    (struck,) = SyncRecord.objects.exclude(reason_code="")
    assert (struck.state, struck.reason_code, struck.attempts) == (State.RETRYING, "out_of_time", 1)
    rest = SyncRecord.objects.exclude(pk__in=[done.pk, struck.pk])
    assert {(one.state, one.lease, one.attempts) for one in rest} == {(State.WAITING, None, 0)}
    assert set(worker.still_due(map(str, ids), using="default")) == {str(one.pk) for one in rest}


@pytest.mark.django_db
def test_progress_is_written_as_it_is_made(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a batch goes on where a worker was killed, who can write down nothing."""
    monkeypatch.setattr(batch, "FINALIZE_EVERY", 0.0)
    monkeypatch.setattr(Batch, "_let_go", lambda self, error: None)
    calls = 0
    add_image = RecorderCollection.add_image

    def deadly(self: RecorderCollection, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return add_image(self, *args, **kwargs)

    monkeypatch.setattr(RecorderCollection, "add_image", deadly)
    for number in range(3):
        product(number)
    with pytest.raises(KeyboardInterrupt):
        worker.sweep(using="default")
    assert SyncRecord.objects.filter(SyncRecord.in_state(State.IN_SYNC)).count() == 2


def _while_reading_the_file(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FileSystemStorage, "_open", out_of_time)


def _while_asking_the_project(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listing, "visualsnoop_should_index", out_of_time)


def _while_adding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RecorderCollection, "add_images", out_of_time)


def _while_adding_one_by_one(patch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    patch.setattr(RecorderCollection, "add_images", broken)
    patch.setattr(RecorderCollection, "add_image", out_of_time)


def _while_telling(patch: pytest.MonkeyPatch) -> None:
    image_synced.connect(out_of_time, dispatch_uid="late", weak=False)


def _while_loading_the_row(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Listing, "from_db", classmethod(out_of_time))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "moment",
    [
        _while_reading_the_file,
        _while_asking_the_project,
        _while_adding,
        _while_adding_one_by_one,
        _while_telling,
        _while_loading_the_row,
    ],
)
def test_a_limit_never_fails_a_picture_for_good(
    recorder: RecorderCollection,
    monkeypatch: pytest.MonkeyPatch,
    moment: Callable[[pytest.MonkeyPatch], None],
) -> None:
    row = Listing.objects.create(photo=product(1).photo.name)
    key = record_of(row).pk
    try:
        with monkeypatch.context() as patch:
            moment(patch)
            with pytest.raises(SoftTimeLimitExceeded):
                worker.process_records([key], using="default")
    finally:
        image_synced.disconnect(dispatch_uid="late")
    record = SyncRecord.objects.get(pk=key)
    assert record.lease is None
    assert record.state != State.FAILED
    worker.process_records([key], using="default")
    assert SyncRecord.objects.get(pk=key).state == State.IN_SYNC


@pytest.mark.django_db
def test_a_limit_while_deleting(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = product(1)
    worker.sweep(using="default")
    row.delete()
    with monkeypatch.context() as patch:
        patch.setattr(RecorderCollection, "delete_image", out_of_time)
        with pytest.raises(SoftTimeLimitExceeded):
            worker.sweep(using="default")
    assert SyncRecord.objects.get().lease is None
    worker.process_records(SyncRecord.objects.values_list("pk", flat=True), using="default")
    assert not SyncRecord.objects.exists()


@pytest.mark.django_db
def test_a_limit_while_the_collection_says_what_is_outdated(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecorderCollection, "iter_outdated", out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        worker.sweep(using="default")


@pytest.mark.django_db
@pytest.mark.usefixtures("recorder")
def test_a_limit_while_conditions_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    Listing.objects.create(photo=product(1).photo.name)
    Listing.objects.create(photo=product(2).photo.name)
    monkeypatch.setattr(Listing, "visualsnoop_should_index", out_of_time)
    assert audit() == 0  # and ends quietly


class TestTasks:
    @pytest.fixture
    def published(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
        published: list[tuple[Any, ...]] = []

        def publish(using: str, ids: list[str], countdown: float | None = None) -> bool:
            published.append((using, ids, countdown))
            return True

        monkeypatch.setattr(dispatch, "dispatch_records", publish)
        return published

    @pytest.mark.django_db
    def test_another_goes_on_at_once(
        self,
        recorder: RecorderCollection,
        second_is_late: list[str],
        published: list[tuple[Any, ...]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        rows = [product(number) for number in range(4)]
        ids = [str(record_of(row).pk) for row in rows]
        sync_records("default", ids)
        (using, left, countdown), *later = published
        assert (using, len(left), countdown) == ("default", 2, None)
        assert [len(one[1]) for one in later] == [1]  # the picture at which the limit came
        assert "it reached its time limit" in caplog.text
        assert "Traceback" not in caplog.text

    @pytest.mark.django_db
    def test_one_that_did_nothing_waits(
        self,
        recorder: RecorderCollection,
        published: list[tuple[Any, ...]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(Batch, "_read_rows", out_of_time)
        row = product(1)
        sync_records("default", [str(record_of(row).pk)])
        ((_, _, countdown),) = published
        assert countdown
        assert record_of(row).attempts == 1

    @pytest.mark.django_db
    def test_a_sweep_says_how_much_it_did(
        self, recorder: RecorderCollection, second_is_late: list[str]
    ) -> None:
        Product.objects.bulk_create(Product(photo=product(1).photo.name) for _ in range(3))
        assert sync_all() == 2
