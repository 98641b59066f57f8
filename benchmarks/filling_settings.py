"""The settings of filling.py and its workers: the environment chooses what they measure."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import BLIND

BACKEND = os.environ.get("FILLING_BACKEND")
VISUALSNOOP = {"default": {"BACKEND": BACKEND} if BACKEND else {"OPTIONS": BLIND}}
VISUALSNOOP["archive"] = VISUALSNOOP["default"]
VISUALSNOOP_REINDEX_QUEUE = os.environ.get("FILLING_QUEUE")
VISUALSNOOP_READ_THREADS = int(os.environ.get("FILLING_THREADS", "8"))
STORAGES = {"default": {"BACKEND": "benchmarks.filling_parts.SlowStorage"}}
