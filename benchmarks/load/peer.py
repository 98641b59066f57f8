"""The same three calls as others would write them: FastAPI, imagehash and faiss.

Its limits: the hashes are in the memory of each process, so two workers do not know what the other
was given; nothing is kept on disk; and it asks nobody for a key.
"""

from __future__ import annotations

import io
import os
import threading

import faiss
import imagehash
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image

#: The bits of 64 in which a result may differ.
MOST = 10
LIMIT = 100

app = FastAPI()
_lock = threading.Lock()
_index = faiss.IndexBinaryFlat(64)
_ids: list[str] = []
_places: dict[str, int] = {}


def add(names: list[str], codes: np.ndarray) -> None:
    """Index codes of 8 bytes each."""
    with _lock:
        _places.update(zip(names, range(len(_ids), len(_ids) + len(names)), strict=True))
        _ids.extend(names)
        _index.add(codes)


def hashed(body: bytes) -> np.ndarray:
    return np.packbits(imagehash.phash(Image.open(io.BytesIO(body))).hash.reshape(1, -1), axis=1)


def search(code: np.ndarray) -> list[dict[str, object]]:
    with _lock:
        distances, places = _index.search(code, min(LIMIT, len(_ids)))
    return [
        {"id": _ids[place], "rank": int(distance)}
        for place, distance in zip(places[0], distances[0], strict=True)
        if distance <= MOST
    ]


if "PEER_CODES" in os.environ:  # what it starts with
    _start = np.load(os.environ["PEER_CODES"])
    add([f"image-{number}" for number in range(len(_start))], _start)


@app.post("/search")
async def search_by_image(request: Request) -> dict[str, object]:
    body = await request.body()
    return {"results": await run_in_threadpool(lambda: search(hashed(body)))}


@app.get("/search/{name}")
def search_by_id(name: str) -> dict[str, object]:
    if name not in _places:
        raise HTTPException(404)
    code = _index.reconstruct(_places[name]).reshape(1, -1)
    return {"results": [one for one in search(code) if one["id"] != name]}


@app.post("/image/{name}", status_code=201)
async def add_image(name: str, request: Request) -> dict[str, object]:
    body = await request.body()
    await run_in_threadpool(lambda: add([name], hashed(body)))
    return {"id": name}
