"""The outbox: sync records written with their rows, and their dispatch to Celery."""
