"""The built sdist and wheel: what is in them, and that a fresh environment can use them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    os.environ.get("TEST_PACKAGING") != "1",
    reason="builds the package and installs it from an index; TEST_PACKAGING=1 runs it",
)


def run(*command: str | Path, cwd: Path) -> str:
    # Nothing of the checkout or of these tests' settings may help the installed package.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "DJANGO_", "COV_", "COVERAGE_"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=inherited,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """The files that git has, those deleted in the checkout left out."""
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def built(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel made from it."""
    # Built from a copy of what git has: no ignored or forgotten file can slip in.
    source = tmp_path_factory.mktemp("source")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, source, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def test_wheel_holds_the_package_as_git_has_it_and_nothing_else(
    wheel: Path, tracked: set[str]
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in packed if re.match(r"django_visualsnoop-[^/]+\.dist-info/", name)}
    package = {name for name in tracked if name.startswith("django_visualsnoop/")}
    assert packed - metadata == package
    # What a build forgets most easily is among what was compared.
    for name in ("py.typed", "migrations/0001_initial.py", "engine/migrations/0001_initial.py"):
        assert f"django_visualsnoop/{name}" in package


def test_sdist_holds_all_that_git_has_but_its_own_and_the_ci_files(
    built: Path, tracked: set[str]
) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {
            member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()
        }
    added = {"PKG-INFO"} | {name for name in packed if ".egg-info/" in name}
    wanted = {name for name in tracked if not name.startswith((".ci/", ".git", ".pre"))}
    assert packed - added == wanted


class Installed:
    """A fresh virtual environment with the wheel in it."""

    def __init__(self, folder: Path, *requirements: str) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        self.python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(self.python, "-m", "pip", "install", "--quiet", *requirements, cwd=folder)

    def script(self, code: str) -> str:
        return run(self.python, "-c", textwrap.dedent(code), cwd=self.folder).strip()


def test_without_extras_the_client_works_and_the_engine_says_what_to_install(
    wheel: Path, tmp_path: Path
) -> None:
    installed = Installed(tmp_path, str(wheel))
    assert (
        installed.script("""
        import sys
        from django_visualsnoop.client.models import Collection
        print(Collection.__name__, "django" in sys.modules)
    """)
        == "Collection False"
    )
    message = installed.script("""
        import django
        from django.conf import settings
        settings.configure(
            INSTALLED_APPS=["django_visualsnoop", "django_visualsnoop.engine"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        )
        django.setup()
        from django.core.management import call_command
        call_command("migrate", verbosity=0)
        from django_visualsnoop.collections import collections
        from django_visualsnoop.exceptions import MissingExtra
        try:
            collections["default"]
        except MissingExtra as error:
            print(error)
    """)
    assert message == (
        "The embedded engine needs packages that are not installed. "
        'Type: python -m pip install "django-visualsnoop[engine]"'
    )


def test_a_new_project_made_by_the_quickstart_finds_a_copy(wheel: Path, tmp_path: Path) -> None:
    blocks = list(blocks_of(ROOT / "docs" / "quickstart.rst"))
    (install,) = (line for line in blocks[0].code.splitlines() if " install " in line)
    command, *requirements = shlex.split(install.partition(" install ")[2])
    assert command == "./django-visualsnoop[engine]"
    installed = Installed(tmp_path, f"{wheel}[engine]", *requirements)
    project = tmp_path / "project"
    project.mkdir()
    manage = project / "manage.py"
    run(installed.python, "-m", "django", "startproject", "mysite", project, cwd=project)
    run(installed.python, manage, "startapp", "shop", cwd=project)
    for block in blocks:
        if block.caption in ("mysite/settings.py", "mysite/urls.py"):
            eager = "CELERY_TASK_ALWAYS_EAGER = True\n" if "settings" in block.caption else ""
            with (project / block.caption).open("a") as file:
                file.write(f"\n{block.code}\n{eager}")
        elif block.caption:
            (project / block.caption).write_text(block.code)
    run(installed.python, manage, "makemigrations", "shop", cwd=project)
    run(installed.python, manage, "migrate", cwd=project)
    (project / "save.py").write_text(SAVE)
    for script in ("save.py", "search.py"):
        code = (project / script).read_text()
        output = run(installed.python, manage, "shell", "--command", code, cwd=project)
    lines = output.strip().splitlines()
    found = [line.split() for line in lines if line.startswith(("copy ", "other "))]
    # What copies_of() finds comes first, with its rank; then what similar_to() does.
    assert [words[:2] for words in found[:2]] == [["copy", "0"], ["copy", "copy"]]
    assert {tuple(words[:2]) for words in found[2:]} <= {("other", "similar")}
    assert all(0 < float(words[2]) <= 1 for words in found)
    copies = lines[-1]
    assert copies in ("['first', 'copy']", "['copy', 'first']")


def test_the_server_is_a_command_with_its_pages(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = Installed(tmp_path, f"{wheel}[server]")
    monkeypatch.setenv("VISUALSNOOP_DATA", str(tmp_path / "data"))
    server = installed.python.with_name("visualsnoop-server")
    run(server, "migrate", cwd=tmp_path)
    code = (
        "print(__import__('django.test').test.Client().get('/sign-in/', SERVER_NAME='localhost'))"
    )
    assert "status_code=200" in run(server, "shell", "--command", code, cwd=tmp_path)
    style = run(server, "findstatic", "visualsnoop_server/pages.css", cwd=tmp_path)
    assert "pages.css" in style


#: Two copies and one other picture, saved as a project would.
SAVE = """
import io
import numpy as np
from django.core.files.base import ContentFile
from PIL import Image
from shop.models import Product

def picture(seed):
    cells = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((640, 480), Image.Resampling.BICUBIC)

def save(name, image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    Product.objects.create(name=name, photo=ContentFile(buffer.getvalue(), f"{name}.jpg"))

save("first", picture(1), 95)
save("copy", picture(1).resize((320, 240)), 60)
save("other", picture(2), 95)
"""
