# So that Celery knows this app wherever Django runs: in the web server and in manage.py alike.
from example.celery import app as celery_app

__all__ = ["celery_app"]
