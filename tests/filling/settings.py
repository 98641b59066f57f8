from tests.settings import *  # noqa: F403
from tests.settings import BLIND

VISUALSNOOP = {
    "default": {"BACKEND": "tests.filling.collection.NotingCollection", "OPTIONS": BLIND},
    "archive": {"NAME": "archive", "OPTIONS": BLIND},
}
