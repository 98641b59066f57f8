"""Searching and adding under load, over HTTP, beside a small service made of others' parts.

    python -m benchmarks.load FOLDER [--images 10000] [--seconds 60] [--connections 8]
        [--database sqlite] [--seed 1] [--photos 300] [--servers gunicorn,gunicorn-stock]

FOLDER holds photographs. Needs ``wrk`` (a Debian package), fastapi, faiss-cpu and uvloop.

This server runs under gunicorn with two workers, each of one thread, whose answers end the
connection (its default worker keeps none), and of four threads, which keep it; the peer (``peer``)
under uvicorn with two, which keep it. All write access logs. They run in turn, alone with wrk,
after 20 requests of each kind, whose answers are checked. VSHMAC covers neither query nor body, and
a date is good for more than an hour: so all requests are signed beforehand. Searches by image send
the photographs made smaller and compressed anew.

The server has the settings of visualsnoop-server. It keeps no answers, except for searches "again",
of 20 images; the peer keeps none.

wrk takes percentiles of all requests; those that a stall kept from being sent are added to them.
Processor time is that of all processes of a server.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.server.hosting import Tenant

THREADS = 2
#: More than are added within the time, or their ids would be taken: errors.
ADDED = 60_000
AGAIN = "search by id, again"
KINDS = ("search by id", AGAIN, "search by image", "adding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--database", default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--servers", default="gunicorn,gunicorn-stock", help="see tests.server")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("There is no wrk: apt-get install wrk")
    paths = sorted(path for path in options.folder.iterdir() if path.is_file())
    photos = [path.read_bytes() for path in paths[: options.photos]]
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="tests.settings",
            TEST_DATABASE=options.database,
            TEST_SQLITE_FOLDER=folder,
        )
        import django

        django.setup()
        from django.test.utils import setup_databases, teardown_databases

        made = setup_databases(verbosity=0, interactive=False, aliases=["default"])
        try:
            measure(options, photos, Path(folder))
        finally:
            teardown_databases(made, verbosity=0)


def measure(options: argparse.Namespace, photos: list[bytes], folder: Path) -> None:
    import numpy as np

    from benchmarks.load.fill import fill, hashes
    from django_visualsnoop.server.content.images import HostedImages
    from tests.server.hosting import tenant
    from tests.server.serving import Servers

    print(versions(options.database), flush=True)
    print(
        f"{options.images:,} images of {len(photos)} photographs, {options.seconds} s of each, "
        f"{options.connections} connections, seed {options.seed}",
        flush=True,
    )
    ann = tenant()
    fill(HostedImages(ann.collection), photos, options.images, options.seed)
    np.save(folder / "codes.npy", hashes(photos, options.images, options.seed))
    bodies = [smaller(photo) for photo in photos]
    files = []
    for number, body in enumerate(bodies):
        files.append(folder / f"{number}.jpg")
        files[-1].write_bytes(body)
    dice = random.Random(options.seed)
    results: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}

    for name in options.servers.split(","):
        for kind in KINDS:
            servers = Servers(folder, **variables(folder, keeps=kind == AGAIN))
            try:
                port = servers[name].port
                lines = requests(kind, ann, options.images, files, dice, name)
                check(kind, port, lines)
                group = servers.get_group(name)
                results[kind][name] = wrk(options, folder, port, lines, group)
            finally:
                servers.stop()
    port, process = peer(folder)
    try:
        for kind in KINDS:
            lines = requests(kind, None, options.images, files, dice, "peer")
            check(kind, port, lines)
            results[kind]["peer"] = wrk(options, folder, port, lines, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
    report(results)


def versions(database: str) -> str:
    import django
    import faiss
    import fastapi
    import gunicorn
    import imagehash
    import uvicorn
    from django.db import connection

    return (
        f"{database} {'.'.join(map(str, connection.get_database_version()))}, "
        f"Python {platform.python_version()}, Django {django.__version__}, gunicorn "
        f"{gunicorn.__version__}; FastAPI {fastapi.__version__}, uvicorn {uvicorn.__version__}, "
        f"ImageHash {imagehash.__version__}, faiss {faiss.__version__}; {os.cpu_count()} cores, "
        f"load before {os.getloadavg()[0]:.1f}"
    )


def variables(folder: Path, *, keeps: bool) -> dict[str, str]:
    """Return the environment of the servers.

    Args:
        folder: the folder of their data.
        keeps: whether they keep answers.
    """
    from django.conf import settings
    from django.db import connection

    from django_visualsnoop.server.conf import DEFAULT_ANSWER_MEMORY
    from tests.server.database_urls import get_url

    return {
        "DJANGO_SETTINGS_MODULE": "benchmarks.load.settings",
        "VISUALSNOOP_DATA": str(folder / "data"),
        "VISUALSNOOP_DATABASE": get_url(str(connection.settings_dict["NAME"])),
        "VISUALSNOOP_SECRET_KEY": settings.SECRET_KEY,
        "ANSWER_MEMORY": str(DEFAULT_ANSWER_MEMORY if keeps else 0),
    }


def smaller(photo: bytes) -> bytes:
    from PIL import Image

    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=80)
    return written.getvalue()


def requests(
    kind: str,
    whose: Tenant | None,
    images: int,
    files: list[Path],
    dice: random.Random,
    name: str,
) -> list[tuple[str, ...]]:
    """Return method, path, file, Authorization and Date of each request, ``"-"`` for none.

    Args:
        kind: one of ``KINDS``.
        whose: the key; ``None`` for the peer.
        images: the number of images.
        files: the files to send.
        dice: chooses what is searched.
        name: the name of the server, for new ids.
    """
    from tests.server.hosting import API, signed

    prefix = API if whose else ""

    def one(method: str, path: str, file: Path | None) -> tuple[str, ...]:
        fields = signed(whose, method, prefix + path) if whose else {}
        own = (fields.get("Authorization", "-"), fields.get("Date", "-"))
        return (method, prefix + path, str(file or "-"), *own)

    if kind == "adding":
        return [
            one("POST", f"/image/{name}-{number}", files[number % len(files)])
            for number in range(ADDED)
        ]
    if kind == "search by image":
        return [one("POST", "/search", file) for file in dice.sample(files, len(files))]
    if kind == AGAIN:
        return [one("GET", f"/search/image-{number}", None) for number in range(20)]
    numbers = [*range(len(files)), *dice.sample(range(images), min(images, 5000))]
    return [one("GET", f"/search/image-{number}", None) for number in numbers]


def check(kind: str, port: int, lines: list[tuple[str, ...]]) -> None:
    """Send some requests, for each process to have read what it needs, and look at the answers."""
    import http.client

    def send(line: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
        method, path, file, authorization, date = line
        fields = {} if date == "-" else {"Authorization": authorization, "Date": date}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request(method, path, None if file == "-" else Path(file).read_bytes(), fields)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    some = lines[-20:]
    with ThreadPoolExecutor(4) as threads:
        for line, (status, answer) in zip(some, threads.map(send, some), strict=True):
            assert status == (201 if kind == "adding" else 200), (line, answer)
            if kind == "search by image":
                found = [result["id"] for result in answer["results"]]
                assert f"image-{Path(line[2]).stem}" in found, (line, found)


def wrk(
    options: argparse.Namespace, folder: Path, port: int, lines: list[tuple[str, ...]], group: int
) -> dict[str, Any]:
    """Send the requests for some seconds; ``group`` is that of the server's processes."""
    file = folder / "requests.txt"
    file.write_text("".join("\t".join(line) + "\n" for line in lines))
    command = ["wrk", f"-t{THREADS}", f"-c{options.connections}", f"-d{options.seconds}s"]
    command += ["--timeout", "30s", "-s", str(Path(__file__).with_name("requests.lua"))]
    command += [f"http://127.0.0.1:{port}", "--", str(file), str(THREADS)]
    before = processor_seconds(group)
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = processor_seconds(group) - before
    return {**json.loads(said.partition("RESULT ")[2]), "processor": seconds}


def processor_seconds(group: int) -> float:
    """Return the processor time of a group of processes (proc(5))."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peer(folder: Path) -> tuple[int, subprocess.Popen[bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "benchmarks.load.peer:app", "--workers", "2"]
    command += ["--loop", "uvloop"]
    with (folder / "peer.log").open("wb") as log:
        # asyncio's own loop does not see that the workers' socket is one of TCP, and leaves Nagle's
        # algorithm on, which costs 40 ms each; uvloop does not.
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PEER_CODES": str(folder / "codes.npy")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return port, process
    sys.exit((folder / "peer.log").read_text())


def report(results: dict[str, dict[str, Any]]) -> None:
    print(f"load after {os.getloadavg()[0]:.1f}")
    print(
        f"{'':20}{'':16}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'processor ms':>14}"
        f"{'errors':>8}{'of the peer':>13}"
    )
    for kind, servers in results.items():
        for who, one in servers.items():
            rate = one["requests"] / one["us"] * 1e6
            print(
                f"{kind:20}{who:16}{rate:12.1f}{one['p50'] / 1000:10.1f}{one['p99'] / 1000:10.1f}"
                f"{one['processor'] / one['requests'] * 1000:14.2f}{one['errors']:8}"
                f"{one['requests'] / servers['peer']['requests']:13.2f}"
            )
    if any(one["errors"] for servers in results.values() for one in servers.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
