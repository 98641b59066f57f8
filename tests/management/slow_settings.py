from tests.settings import *  # noqa: F403

VISUALSNOOP = {
    "default": {"BACKEND": "tests.management.slow.SlowCollection"},
    "archive": {"BACKEND": "tests.management.slow.SlowCollection"},
}
SILENCED_SYSTEM_CHECKS = ["visualsnoop.W003"]
