"""Prepares the package in every child process of the rig, as soon as Django is set up."""

from __future__ import annotations

import os

from django.apps import AppConfig

#: After a failure a process leaves the broker alone for this long, in seconds, instead of 10:
#: with an outage every few seconds, hints would otherwise hardly ever be sent.
PAUSE_AFTER_FAILURE = 1.0
#: At which ages of a request a file that is missing or broken is looked at again, in seconds,
#: instead of up to ten minutes, for which nobody wants to wait at the end.
LOOKS = (1.0, 4.0, 12.0)


class RigConfig(AppConfig):
    name = "benchmarks.rig"
    label = "rig"

    def ready(self) -> None:
        from benchmarks.rig import breaks
        from django_visualsnoop.outbox import dispatch
        from django_visualsnoop.outbox import leases as claims
        from django_visualsnoop.outbox import retry as failures

        dispatch.PAUSE_AFTER_FAILURE = PAUSE_AFTER_FAILURE
        failures.LOOKS = LOOKS
        if margin := os.environ.get("RIG_LEASE_MARGIN"):
            claims.LEASE_MARGIN = float(margin)
        if name := os.environ.get("RIG_BREAK"):
            breaks.apply(name)
