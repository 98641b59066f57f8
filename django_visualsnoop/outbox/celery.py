"""The project's Celery app."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from celery import current_app
from kombu.transport import resolve_transport

if TYPE_CHECKING:
    from celery import Celery

#: Scheme of a broker URL → the Python module it needs, and the package that installs it.
_PACKAGES = {
    "redis": ("redis", "celery[redis]"),
    "rediss": ("redis", "celery[redis]"),
    "sentinel": ("redis", "celery[redis]"),
    "sqs": ("boto3", "celery[sqs]"),
    "mongodb": ("pymongo", "celery[mongodb]"),
    "zookeeper": ("kazoo", "celery[zookeeper]"),
    "sqla": ("sqlalchemy", "celery[sqlalchemy]"),
    "sqlalchemy": ("sqlalchemy", "celery[sqlalchemy]"),
    "librabbitmq": ("librabbitmq", "celery[librabbitmq]"),
    "azureservicebus": ("azure.servicebus", "kombu[azureservicebus]"),
    "azurestoragequeues": ("azure.storage.queue", "kombu[azurestoragequeues]"),
    "gcpubsub": ("google.cloud.pubsub_v1", "celery[gcpubsub]"),
    "kafka": ("confluent_kafka", "kombu[confluentkafka]"),
    "confluentkafka": ("confluent_kafka", "kombu[confluentkafka]"),
    "consul": ("consul", "celery[consul]"),
    "pyro": ("Pyro4", "celery[pyro]"),
    "qpid": ("qpid", "kombu[qpid]"),
}


def project_app() -> Celery:
    """Return the project's Celery app, or the default app that Celery creates without one."""
    app: Celery = current_app._get_current_object()  # type: ignore[attr-defined]  # a Proxy
    return app


def is_fallback(app: Celery) -> bool:
    """Whether this is the app that Celery creates when the project has none."""
    return app.main == "default" and not app.set_as_current  # type: ignore[attr-defined]


def broker_problem(app: Celery) -> str | None:
    """Return why this app cannot use its broker, and what to type; ``None`` if nothing is wrong.

    This opens no connection. The text names only the scheme of the broker URL, because the rest
    may contain a password.
    """
    for scheme in _schemes(app):
        module, package = _PACKAGES.get(scheme.lower(), ("", ""))
        if module and not _is_installed(module):
            return (
                f"The broker {scheme}:// needs the Python module {module}. "
                f'Type: python -m pip install "{package}"'
            )
        try:
            resolve_transport(scheme)
        except (ImportError, AttributeError) as error:
            return f"Celery cannot import the transport of the broker {scheme}://: {error}."
        except KeyError as error:
            return f"Celery does not support the broker {scheme}://: {error.args[0]}."
    return None


def find_queues(app: Celery, seconds: float = 1.0) -> set[str] | None:
    """Return the names of the queues that workers serve; ``None`` if that is unknown.

    Args:
        app: the Celery app.
        seconds: how long to wait for the workers' answers.
    """
    if app.conf.task_always_eager:
        return None
    try:
        answers = app.control.inspect(timeout=seconds).active_queues()
    except Exception:  # noqa: BLE001 -- every transport raises its own errors; some cannot ask
        return None
    return {queue["name"] for queues in (answers or {}).values() for queue in queues}


def _schemes(app: Celery) -> list[str]:
    url: Any = app.conf.broker_write_url  # celery-types omits lists
    urls = url if isinstance(url, (list, tuple)) else str(url or "").split(";")
    # "redis+socket:///path": the part before the plus sign selects the transport.
    found = (str(one).partition("://") for one in urls)
    return [before.partition("+")[0] for before, separator, _ in found if separator]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package
        return False
