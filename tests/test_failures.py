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
from django_visualsnoop.failures import (
    LONGEST_DELAY,
    MAX_REASON,
    NOT_THE_PICTURES,
    backoff,
    judge,
    out_of_time_failure,
)


@pytest.mark.parametrize(("attempts", "ceiling"), [(1, 5), (2, 10), (4, 40), (1000, LONGEST_DELAY)])
def test_waits_double_up_to_the_longest_with_jitter(attempts: int, ceiling: float) -> None:
    waits = {backoff(attempts) for _ in range(50)}
    assert all(ceiling / 2 <= wait <= ceiling for wait in waits)
    assert len(waits) > 1


def test_a_refusal_is_permanent_and_an_outage_is_not() -> None:
    assert judge(ImageRefusedError("no picture"), 1).permanent
    assert not judge(TransportError("refused"), 1).permanent


def test_only_what_is_not_the_pictures_own_fault_is_tried_again() -> None:
    others = {
        judge(error, 1)
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
        judge(error, 1)
        for error in (
            ImageRefusedError("no picture", reason="undecodable"),
            InvalidImageIdError("too long"),
            FileNotFoundError("gone"),
            SuspiciousFileOperation("outside"),
        )
    ]
    assert all(one.permanent and one.code not in NOT_THE_PICTURES for one in own)


def test_the_longer_of_two_waits_counts() -> None:
    assert judge(RateLimitedError("slow down", retry_after=900.0), 1).delay == 900.0
    delay = judge(RateLimitedError("slow down", retry_after=0.1), 1).delay
    assert delay is not None
    assert delay > 2


def test_an_error_without_words_is_named() -> None:
    assert judge(TimeoutError(), 1).reason == "TimeoutError: TimeoutError"
    assert len(judge(ValueError("x" * 5000), 1).reason) == MAX_REASON
