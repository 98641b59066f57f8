"""Prepares the package in every child process of the rig, as soon as Django is set up."""

from __future__ import annotations

import os

from django.apps import AppConfig

#: How long a process pauses publishing after a failure, in seconds, instead of 10: with an outage
#: every few seconds, it would otherwise hardly ever publish.
PAUSE_AFTER_FAILURE = 1.0
#: At which ages of a request to read a missing or broken file again, in seconds, instead of up to
#: ten minutes, which would delay the end of a run.
LOOKS = (1.0, 4.0, 12.0)
#: The longest delay between two attempts, in seconds, instead of an hour: an image that failed
#: several times would otherwise be due only after the rig has given up.
LONGEST_DELAY = 40.0


class RigConfig(AppConfig):
    name = "tests.faults"
    label = "rig"

    def ready(self) -> None:
        from django_visualsnoop.outbox import dispatch, leases, retry
        from tests.faults import breaks

        dispatch.PAUSE_AFTER_FAILURE = PAUSE_AFTER_FAILURE
        retry.LOOKS = LOOKS
        retry.LONGEST_DELAY = LONGEST_DELAY
        if margin := os.environ.get("RIG_LEASE_MARGIN"):
            leases.LEASE_MARGIN = float(margin)
        if name := os.environ.get("RIG_BREAK"):
            breaks.apply(name)
