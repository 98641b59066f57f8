"""What the engine does as a process starts."""

from __future__ import annotations

import subprocess
import sys

SETUP = """
import sys
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["django_visualsnoop.engine"])
django.setup()
print(sorted({"PIL.Image", "PIL.ImageFile", "cv2"} & set(sys.modules)))
"""


def test_pillow_is_imported_before_threads_may_do_so_together() -> None:
    done = subprocess.run([sys.executable, "-c", SETUP], check=True, stdout=subprocess.PIPE)
    assert done.stdout.decode().strip() == "['PIL.Image', 'PIL.ImageFile']"
