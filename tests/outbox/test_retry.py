from __future__ import annotations

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation

from django_visualsnoop.client.exceptions import (
    AuthenticationError,
    ImageRefusedError,
    InvalidImageIdError,
    RateLimitedError,
    ServerError,
    TransportError,
)
from django_visualsnoop.outbox.retry import (
    LONGEST_DELAY,
    MAX_REASON,
    NOT_THE_PICTURES,
    backoff,
    classify_error,
    out_of_time_failure,
)


@pytest.mark.parametrize(("attempts", "ceiling"), [(1, 5), (2, 10), (4, 40), (1000, LONGEST_DELAY)])
def test_waits_double_up_to_the_longest_with_jitter(attempts: int, ceiling: float) -> None:
    waits = {backoff(attempts) for _ in range(50)}
    assert all(ceiling / 2 <= wait <= ceiling for wait in waits)
    assert len(waits) > 1


def test_a_refusal_is_permanent_and_an_outage_is_not() -> None:
    assert classify_error(ImageRefusedError("no picture"), 1).permanent
    assert not classify_error(TransportError("refused"), 1).permanent


def test_only_what_is_not_the_pictures_own_fault_is_tried_again() -> None:
    others = {
        classify_error(error, 1)
        for error in (
            AuthenticationError("no"),
            RateLimitedError("slow"),
            TransportError("refused"),
            ServerError("busy"),
            ImproperlyConfigured("no key"),
            OSError("disk"),
        )
    }
    others.add(out_of_time_failure(SoftTimeLimitExceeded(), 1))
    assert {failure.code for failure in others} == set(NOT_THE_PICTURES)
    assert not any(failure.permanent for failure in others)
    own = [
        classify_error(error, 1)
        for error in (
            ImageRefusedError("no picture", reason="undecodable"),
            InvalidImageIdError("too long"),
            FileNotFoundError("gone"),
            SuspiciousFileOperation("outside"),
        )
    ]
    assert all(one.permanent and one.code not in NOT_THE_PICTURES for one in own)


def test_the_longer_of_two_waits_counts() -> None:
    assert classify_error(RateLimitedError("slow down", retry_after=900.0), 1).delay == 900.0
    delay = classify_error(RateLimitedError("slow down", retry_after=0.1), 1).delay
    assert delay is not None
    assert delay > 2


def test_a_wait_that_a_service_asks_for_is_capped() -> None:
    assert (
        classify_error(RateLimitedError("slow", retry_after=10_000_000.0), 1).delay == LONGEST_DELAY
    )


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("late.jpg"),
        ImageRefusedError("Nothing is in it.", reason="empty"),
        ImageRefusedError("It is cut off.", reason="undecodable"),
    ],
)
@pytest.mark.parametrize(
    ("age", "delay"), [(0, 5), (2, 3), (4.5, 55.5), (5, 55), (60, 540), (599.5, None), (600, None)]
)
def test_the_file_of_a_young_request_may_be_late(
    error: Exception, age: float, delay: float | None
) -> None:
    failure = classify_error(error, 7, age=age)
    assert failure.delay == delay
    assert failure.own


@pytest.mark.parametrize("reason", ["unsupported", "too_large"])
def test_what_whole_files_say_is_final(reason: str) -> None:
    assert classify_error(ImageRefusedError("no", reason=reason), 1, age=0).permanent


def test_a_lack_of_memory_says_nothing_about_a_picture() -> None:
    error = ImageRefusedError("There was not enough memory.", reason="too_large")
    error.__cause__ = ValueError()
    error.__cause__.__cause__ = MemoryError()
    assert not classify_error(error, 1).permanent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NUL \0 in it", r"NUL \x00 in it"),
        ("caf\udce9.jpg", r"caf\udce9.jpg"),
        ("Käse \U0001f9c0", "Käse \U0001f9c0"),
    ],
)
def test_foreign_words_are_such_as_every_database_takes(text: str, words: str) -> None:
    assert classify_error(OSError(text), 1).reason == f"OSError: {words}"
    assert words in classify_error(FileNotFoundError(text), 1).reason
    assert (
        classify_error(ImageRefusedError(text, reason="x\0" * 40), 1).code == (r"x\x00" * 40)[:32]
    )


def test_an_error_without_words_is_named() -> None:
    assert classify_error(TimeoutError(), 1).reason == "TimeoutError: TimeoutError"
    assert len(classify_error(ValueError("x" * 5000), 1).reason) == MAX_REASON
