from __future__ import annotations

import subprocess
import sys


def test_the_client_imports_no_django() -> None:
    program = """
import pkgutil, sys
import django_visualsnoop.client
for module in pkgutil.iter_modules(django_visualsnoop.client.__path__):
    __import__(f"django_visualsnoop.client.{module.name}")
assert "django_visualsnoop.client.models" in sys.modules
print([name for name in sys.modules if name.split(".")[0] in {"django", "celery", "PIL"}])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
