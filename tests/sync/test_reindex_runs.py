"""A reindex by workers: chunks of keys, leases, pausing, and what a collection asks for."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.utils import timezone

from django_visualsnoop.client.exceptions import RateLimitedError, ServerError
from django_visualsnoop.indexed.options import indexed_field
from django_visualsnoop.models import ReindexChunk, ReindexRun, SyncRecord
from django_visualsnoop.outbox import dispatch
from django_visualsnoop.outbox.pausing import sync_paused
from django_visualsnoop.outbox.reindex_run import find_run
from django_visualsnoop.sync import chunks, reindex_runs
from django_visualsnoop.sync.chunks import TakenChunk, finish_chunk, take_chunk
from django_visualsnoop.sync.reindex import Plan, ReindexCounts
from django_visualsnoop.sync.reindex_runs import (
    RunExistsError,
    State,
    dispatch_stalled,
    process_chunks,
    resume_run,
    set_state,
    start_run,
)
from tests.fixtures import grow_old, lose, picture, product, record_of
from tests.testapp.models import Article, Document, Listing, Product

if TYPE_CHECKING:
    from django_visualsnoop.collections.recorder import RecorderCollection
    from django_visualsnoop.indexed.options import IndexedField

pytestmark = pytest.mark.django_db(databases=["default", "other"])

PHOTO = indexed_field(Product, "photo")
PLAN = Plan(batch_size=2)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens of the messages that were sent."""
    tokens: list[str] = []

    def send(using: str, ids: list[str], countdown: Any = None, name: str = "") -> bool:
        assert name == dispatch.REINDEX
        tokens.extend(ids)
        return True

    monkeypatch.setattr(dispatch._dispatcher, "dispatch_records", send)
    return tokens


def unheard(count: int) -> list[Product]:
    with sync_paused():
        return [product(n) for n in range(1, count + 1)]


def work(token: int, seconds: float = math.inf) -> float | None:
    return process_chunks(token, using="default", seconds=seconds)


def run_now() -> ReindexRun:
    run = find_run("default")
    assert run is not None
    return run


def expire() -> None:
    """Let the time pass after which leases expire."""
    past = timezone.now() - timedelta(seconds=1)
    ReindexChunk.objects.exclude(lease=None).update(leased_until=past)
    SyncRecord.objects.exclude(lease=None).update(leased_until=past)


def test_workers_process_every_row_once(recorder: RecorderCollection, sent: list[str]) -> None:
    rows = unheard(5)
    run = start_run([PHOTO], PLAN, workers=3)
    assert sent == [str(run.token)] * 3
    assert (run.total, run.done) == (5, 0)
    assert work(run.token) is None
    run = run_now()
    assert run.state == State.FINISHED
    assert (run.done, run.counts["in_sync"]) == (5, 5)
    assert run.ended_at is not None
    assert not ReindexChunk.objects.exists()
    added = [call.image_id for call in recorder.calls if call.method == "add_image"]
    assert sorted(map(str, added)) == sorted(record_of(row).image_id for row in rows)
    assert work(run.token) is None


def test_keys_of_other_types_and_several_fields(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    with sync_paused():
        for n in range(1, 6):
            Article.objects.create(pk=UUID(int=n * 2**120), cover=picture(n))
            Document.objects.create(code=f"ä {n} %'", scan=picture(n))
        Document.objects.create(code="", scan=picture(6))
        Listing.objects.create(photo=picture(1), published=False)
    fields = [
        indexed_field(Article, "cover"),
        indexed_field(Article, "thumbnail"),
        indexed_field(Document, "scan"),
        indexed_field(Listing, "photo"),
    ]
    run = start_run(fields, Plan(batch_size=1))
    assert work(run.token) is None
    run = run_now()
    assert run.state == State.FINISHED
    assert run.counts == {"wanted": 11, "unwanted": 1, "empty": 5, "in_sync": 12}
    assert run.done == run.total == 17


def test_two_workers_never_have_the_same_rows(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    unheard(5)
    run = start_run([PHOTO], PLAN)
    taken = [take_chunk(run.token, using="default") for _ in range(4)]
    assert taken[3] is None
    bounds = [(one.after, one.until) for one in taken[:3] if isinstance(one, TakenChunk)]
    keys = sorted(Product.objects.values_list("pk", flat=True))
    assert bounds == [(None, keys[1]), (keys[1], keys[3]), (keys[3], keys[4])]
    assert run_now().state == State.RUNNING
    for one in taken[:3]:
        assert isinstance(one, TakenChunk)
        finish_chunk(one, ReindexCounts(), using="default")
    assert take_chunk(run.token, using="default") is None
    assert run_now().state == State.FINISHED


def test_a_chunk_of_a_worker_that_is_gone_is_taken_over(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    rows = unheard(2)
    lost = rows[1]
    run = start_run([PHOTO], PLAN)
    recorder.fail_with(SystemExit())  # of the first picture; nothing is given back
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reindex_runs, "give_back", lambda *_, **__: None)
        with pytest.raises(SystemExit):
            work(run.token)
    assert take_chunk(run.token, using="default") is None  # its lease is valid
    before = {row.pk: record_of(row).generation for row in rows}
    expire()
    assert work(run.token) is None
    assert run_now().counts["in_sync"] == 2
    # Not requested again: that would forget how many workers this picture has ended.
    assert record_of(lost).generation == before[lost.pk]


def test_what_was_done_before_a_worker_died_is_not_done_again(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    rows = unheard(3)
    lose(rows[2].photo)
    run = start_run([PHOTO], Plan(batch_size=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reindex_runs, "finish_chunk", _exit)
        patch.setattr(reindex_runs, "give_back", lambda *_, **__: None)
        with pytest.raises(SystemExit):
            work(run.token)
    grow_old(seconds=-1)
    SyncRecord.objects.filter(pk=record_of(rows[2]).pk).update(due_at=None)  # failed for good
    calls = len(recorder.calls)
    expire()
    assert work(run.token) is None
    assert len(recorder.calls) == calls
    run = run_now()
    assert run.counts == {"wanted": 3, "in_sync": 2, "failed": 1}
    assert run.failures[0][0] == record_of(rows[2]).image_id


def test_a_worker_that_lost_its_lease_counts_nothing(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    unheard(2)
    run = start_run([PHOTO], PLAN)
    taken = take_chunk(run.token, using="default")
    assert isinstance(taken, TakenChunk)
    expire()
    assert work(run.token) is None
    tally = ReindexCounts()
    tally.counts["wanted"] = 2
    finish_chunk(taken, tally, using="default")
    assert run_now().done == 2


def test_a_worker_stops_after_its_time_and_goes_on(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    unheard(5)
    run = start_run([PHOTO], PLAN)
    assert work(run.token, seconds=0) == 0.0
    assert run_now().done == 2
    assert work(run.token) is None
    assert run_now().done == 5


@pytest.mark.parametrize(
    "error", [RateLimitedError("slow down", retry_after=30), ServerError("later", retry_after=30)]
)
def test_a_collection_that_asks_to_wait_is_left_alone(
    recorder: RecorderCollection, sent: list[str], error: Exception
) -> None:
    rows = unheard(4)
    run = start_run([PHOTO], Plan(batch_size=4))
    recorder.fail_with(error)
    assert work(run.token, seconds=1) == dispatch.MAX_COUNTDOWN
    run = run_now()
    assert run.not_before is not None
    assert run.not_before > timezone.now() + timedelta(seconds=20)
    assert run.reason == str(error)
    assert run.counts == {}
    record = record_of(rows[0])
    assert (record.state, record.attempts, record.lease) == (SyncRecord.State.WAITING, 0, None)
    assert record.due_at is not None
    assert record.due_at > timezone.now() + timedelta(seconds=20)  # nor does the sweeper
    calls = len(recorder.calls)
    assert work(run.token, seconds=1) == dispatch.MAX_COUNTDOWN
    assert len(recorder.calls) == calls
    ReindexRun.objects.update(not_before=timezone.now())
    assert work(run.token) is None
    run = run_now()
    assert (run.state, run.counts["in_sync"], run.reason) == (State.FINISHED, 4, "")


def test_a_limit_smaller_than_a_chunk_lets_the_run_proceed(
    recorder: RecorderCollection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard(6)
    add = type(recorder).add_image
    allowed = [0]

    def limited(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not allowed[0]:
            raise RateLimitedError("slow down", retry_after=1)
        allowed[0] -= 1
        return add(self, *args, **kwargs)

    monkeypatch.setattr(type(recorder), "add_image", limited)
    run = start_run([PHOTO], Plan(batch_size=6))
    for _ in range(3):
        allowed[0] = 2
        ReindexRun.objects.update(not_before=None)
        work(run.token, seconds=0)
    ReindexRun.objects.update(not_before=None)
    assert work(run.token) is None
    assert run_now().state == State.FINISHED
    assert len([call for call in recorder.calls if call.method == "add_image"]) == 6


def test_pause_and_resume(recorder: RecorderCollection, sent: list[str]) -> None:
    unheard(4)
    run = start_run([PHOTO], PLAN, workers=2)
    work(run.token, seconds=0)
    assert set_state(State.PAUSED, using="default") is not None
    assert work(run.token) is None
    assert run_now().done == 2
    sent.clear()
    resumed = resume_run("default", 5)
    assert resumed is not None
    assert sent == [str(resumed.token)] * 5
    assert work(run.token) is None  # an old message
    assert run_now().done == 2
    assert work(resumed.token) is None
    assert run_now().state == State.FINISHED
    assert resume_run("default") is None
    assert set_state(State.PAUSED, using="default") is None


def test_a_cancelled_run_leaves_nothing_and_another_may_start(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    unheard(4)
    run = start_run([PHOTO], PLAN)
    taken = take_chunk(run.token, using="default")
    assert isinstance(taken, TakenChunk)
    set_state(State.CANCELLED, using="default")
    assert not ReindexChunk.objects.exists()
    finish_chunk(taken, ReindexCounts(), using="default")
    assert work(run.token) is None
    other = start_run([PHOTO], Plan(batch_size=3, missing=True))
    assert other.done == 0
    assert work(other.token) is None
    assert run_now().done == 4


def test_the_same_command_again_continues_the_run_and_another_is_refused(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    unheard(4)
    run = start_run([PHOTO], PLAN)
    work(run.token, seconds=0)
    again = start_run([PHOTO], PLAN)
    assert again.done == 2
    assert again.token != run.token
    with pytest.raises(RunExistsError):
        start_run([PHOTO], Plan(batch_size=2, force=True))
    assert run_now().token == again.token


def test_too_many_failures_pause_the_run(recorder: RecorderCollection, sent: list[str]) -> None:
    for row in unheard(4):
        lose(row.photo)
    run = start_run([PHOTO], PLAN, max_failures=2)
    assert work(run.token) is None
    run = run_now()
    assert (run.state, run.done) == (State.PAUSED, 2)
    assert "2 images have failed (--max-failures 2)" in run.reason


def test_an_error_of_the_projects_code_pauses_the_run(
    recorder: RecorderCollection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard(2)
    run = start_run([PHOTO], PLAN)
    with monkeypatch.context() as patch:
        patch.setattr(reindex_runs, "reindex", _crash)
        with pytest.raises(RuntimeError):
            work(run.token)
    assert (run_now().state, run_now().reason) == (State.PAUSED, "RuntimeError: out of luck")
    resumed = resume_run("default")
    assert resumed is not None
    assert work(resumed.token) is None
    assert run_now().counts["in_sync"] == 2


def test_a_field_that_the_code_no_longer_indexes_is_left_out(
    recorder: RecorderCollection, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard(2)
    run = start_run([indexed_field(Article, "cover"), PHOTO], PLAN)

    def find(label: str, name: str) -> IndexedField | None:
        return PHOTO if label == PHOTO.label else None

    monkeypatch.setattr(chunks, "field_by_label", find)
    assert work(run.token) is None
    assert run_now().counts["in_sync"] == 2


def test_the_sweeper_sends_messages_if_all_workers_are_gone(
    recorder: RecorderCollection, sent: list[str]
) -> None:
    unheard(4)
    assert not dispatch_stalled("default")
    run = start_run([PHOTO], PLAN, workers=2)
    work(run.token, seconds=0)
    sent.clear()
    assert not dispatch_stalled("default")  # it has worked a moment ago
    _let_pass(minutes=2)
    assert dispatch_stalled("default")
    assert len(sent) == 2
    sent.clear()
    _let_pass(minutes=2)
    assert not dispatch_stalled("default")  # nobody has answered these; they may still wait
    _let_pass(hours=2)
    assert dispatch_stalled("default")
    _let_pass(hours=2)
    taken = take_chunk(run_now().token, using="default")
    assert isinstance(taken, TakenChunk)
    ReindexRun.objects.update(worked_at=timezone.now() - timedelta(minutes=2))
    assert not dispatch_stalled("default")  # a worker has a chunk


def test_a_broker_that_refuses_is_asked_again(
    recorder: RecorderCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheard(1)
    with monkeypatch.context() as patch:
        patch.setattr(dispatch._dispatcher, "dispatch_records", lambda *_: False)
        assert start_run([PHOTO], PLAN).sent_at is None
    monkeypatch.setattr(dispatch._dispatcher, "dispatch_records", lambda *_: True)
    assert dispatch_stalled("default")
    assert run_now().sent_at is not None


def _let_pass(**time: float) -> None:
    run = run_now()
    for name in ("sent_at", "worked_at", "started_at"):
        moment = getattr(run, name)
        setattr(run, name, None if moment is None else moment - timedelta(**time))
    run.save()


def _exit(*_: object, **__: object) -> None:
    raise SystemExit


def _crash(*_: object, **__: object) -> None:
    raise RuntimeError("out of luck")
