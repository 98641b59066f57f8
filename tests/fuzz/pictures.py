"""What hostile files do to the decoder: each is decoded or refused, in bounded time and memory.

    python -m tests.fuzz.pictures [FOLDER] [--mutations 20000] [--seed 1] [--save DIR]

Every file of FOLDER and that many seeded mutations of good files go through
``decode`` in a child process, which is ended by the system if one takes more than
``--seconds`` or all together more than ``--gigabytes``; the file that ended it is
counted and saved, and the next child goes on behind it. Memory is the growth of
the resident memory's peak over one file (Linux only).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL
from PIL import Image, ImageFile

from django_visualsnoop.engine.exceptions import DecodeError
from django_visualsnoop.engine.images.decode import decode
from tests.fuzz.spoiled_pictures import mutant

if TYPE_CHECKING:
    from collections.abc import Iterator


def hostile_file(options: argparse.Namespace, number: int) -> tuple[str, bytes]:
    """Return the file of a number: those of the folder first."""
    paths = sorted(options.folder.iterdir()) if options.folder else []
    if number < len(paths):
        return paths[number].name, paths[number].read_bytes()
    return mutant(options.seed, number - len(paths))


def switches() -> list[Any]:
    """Return what belongs to the process, not to the decoder."""
    return [
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        ImageFile.MAXBLOCK,
        Image.WARN_POSSIBLE_FORMATS,
        sorted(Image.OPEN),
        list(warnings.filters),
        resource.getrlimit(resource.RLIMIT_AS),
        signal.getsignal(signal.SIGALRM),
        Path.cwd(),
    ]


def resident(key: str) -> int:
    """Return a line of the process's status, in bytes: VmRSS, or its peak VmHWM."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(key + ":")[1].split()[0]) * 1024


def tried(data: bytes) -> dict[str, Any]:
    """Decode one file, and return what came of it."""
    before, said = switches(), os.fstat(2).st_size
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    held = resident("VmRSS")
    begun = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inside = switches()
        try:
            decode(data)
            outcome = "decoded"
        except DecodeError as error:
            outcome = f"refused: {error.reason}"
        except BaseException as error:  # noqa: BLE001 - this is what is looked for
            outcome = f"RAISED {type(error).__name__}"
        seconds = time.perf_counter() - begun
        kept = switches() == inside
    return {
        "outcome": outcome,
        "seconds": seconds,
        "memory": resident("VmHWM") - held,
        "warned": [str(one.message) for one in caught],
        "stderr": os.fstat(2).st_size - said,
        "kept": kept and switches() == before,
    }


def child(options: argparse.Namespace, start: int, end: int) -> None:
    limit = int(options.gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for number in range(start, end):
        _, data = hostile_file(options, number)
        print(number, flush=True)
        signal.setitimer(signal.ITIMER_REAL, options.seconds)  # the signal ends the process
        result = tried(data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(result), flush=True)


def results(total: int) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while number < total:
        with tempfile.TemporaryFile() as stderr:
            command = [
                sys.executable,
                "-m",
                "tests.fuzz.pictures",
                *sys.argv[1:],
                "--child",
                str(number),
                str(total),
            ]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, text=True
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    number = int(line)
                    answer = process.stdout.readline()
                    if not answer:
                        break
                    yield number, json.loads(answer)
                    number += 1
            if number < total:
                stderr.seek(0)
                name = signal.Signals(-process.returncode).name if process.returncode < 0 else ""
                if not name:
                    sys.exit(f"The child failed: {stderr.read().decode()}")
                yield number, {"outcome": f"KILLED by {name}"}
                number += 1


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"Python {platform.python_version()}, Pillow {PIL.__version__}, "
        f"{os.cpu_count()} CPUs ({model})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="files of your own, tried first")
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30, help="after which one file hangs")
    parser.add_argument("--gigabytes", type=float, default=4, help="of address space in the child")
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "hostile")
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options, *options.child)
        return
    print(machine())
    own = len(list(options.folder.iterdir())) if options.folder else 0
    total = own + options.mutations
    outcomes: Counter[str] = Counter()
    worst: dict[str, tuple[float, str]] = {}
    bad: list[str] = []
    talkative = 0
    for number, result in results(total):
        outcomes[result["outcome"]] += 1
        name, data = hostile_file(options, number)
        for key in ("seconds", "memory"):
            worst[key] = max(worst.get(key, (0, "")), (result.get(key, 0), f"{number} ({name})"))
        talkative += bool(result.get("stderr"))
        wrong = result["outcome"].startswith(("RAISED", "KILLED"))
        complaints = [result["outcome"]] if wrong else []
        complaints += [f"warned: {text}" for text in result.get("warned", [])]
        complaints += [] if result.get("kept", True) else ["changed the process"]
        if complaints:
            options.save.mkdir(exist_ok=True)
            (options.save / f"{number}-{name}").write_bytes(data)
            bad.append(f"{number} ({name}): {'; '.join(complaints)}")
    print(f"{total:,} files: {own} of the folder, {options.mutations:,} mutations, ", end="")
    print(f"seed {options.seed}")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:8,}  {outcome}")
    print(f"longest time: {worst['seconds'][0]:.3f} s, file {worst['seconds'][1]}")
    print(f"most memory: {worst['memory'][0] / 2**20:.0f} MiB, file {worst['memory'][1]}")
    print(f"libraries wrote to stderr: {talkative:,} files")
    print(f"crashes, hangs, other exceptions, warnings, changed switches: {len(bad)}")
    for line in bad:
        print(f"    {line}  (saved in {options.save})")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
