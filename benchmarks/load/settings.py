"""The settings of visualsnoop-server, with or without kept answers."""

from __future__ import annotations

import os

from django_visualsnoop.server.project.settings import *  # noqa: F403
from django_visualsnoop.server.project.settings import VISUALSNOOP_SERVER

VISUALSNOOP_SERVER = {**VISUALSNOOP_SERVER, "ANSWER_MEMORY": int(os.environ["ANSWER_MEMORY"])}
