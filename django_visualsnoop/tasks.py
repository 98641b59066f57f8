"""Celery tasks: thin calls into ``sync`` and ``auditing``, with plain strings and numbers."""

from __future__ import annotations

from celery import shared_task

from django_visualsnoop import auditing, hints, sync


@shared_task(name="django_visualsnoop.sync_records", ignore_result=True, acks_late=True)
def sync_records(using: str, record_ids: list[str]) -> None:
    """Make the collections agree with these records' rows as they are now."""
    for delay, ids in sync.bring_home(record_ids, using=using).later.items():
        hints.publish(using, ids, countdown=delay)


@shared_task(name="django_visualsnoop.sync_all", ignore_result=True)
def sync_all(using: str = "default", limit: int = 10_000) -> int:
    """The sweeper: work on up to ``limit`` records that are due; return how many.

    Schedule it with Celery beat, every minute or so, for what a lost hint left behind.
    """
    return sync.sweep(using=using, limit=limit).worked_on


@shared_task(name="django_visualsnoop.audit", ignore_result=True)
def audit(using: str = "default", batch_size: int = auditing.BATCH_SIZE) -> int:
    """Wish again for rows that disagree with their record; return how many.

    It walks through whole tables: schedule it every hour or every night.
    """
    return auditing.audit(using=using, batch_size=batch_size)
