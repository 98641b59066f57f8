# As Celery's documentation has every Django project do it.
from tests.celeryapp import app as celery_app

__all__ = ["celery_app"]
