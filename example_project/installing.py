"""The demo's virtual environment and its photographs, made once."""

from __future__ import annotations

import shutil
import sys
import zipfile
from hashlib import sha256
from typing import TYPE_CHECKING

from children import PROJECT, run

if TYPE_CHECKING:
    from pathlib import Path

CHECKOUT = PROJECT.parent
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


def install_package(environment: Path) -> str:
    """Make a virtual environment with this checkout in it; return its Python."""
    python = str(environment / "bin" / "python")
    stamp = environment / "installed-from"
    wanted = sha256((CHECKOUT / "setup.cfg").read_bytes() + sys.version.encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        print(f"Installing into {environment} …", flush=True)
        run(sys.executable, "-m", "venv", "--clear", str(environment))
        _pip(python, "install", "--editable", f"{CHECKOUT}[engine,progress]")
        stamp.write_text(wanted)
    return python


def install_pictures(folder: Path, python: str) -> Path:
    """Take the photographs out of the wheel that ships them; return their folder."""
    if not all((folder / name).is_file() for name in PICTURES):
        print("Fetching photographs …", flush=True)
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
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return folder


def _pip(python: str, command: str, *arguments: str) -> None:
    run(python, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments)
