"""The embedding model of the package: its files, both run times, threads and forks."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from django_visualsnoop.engine.images.decode import decode
from django_visualsnoop.engine.lite0 import Lite0Embedding, model, networks
from django_visualsnoop.engine.lite0.whitening import PATH, load_whitening
from django_visualsnoop.engine.sessions import PerProcess
from tests.collections.contract import image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

RUN_TIMES: tuple[networks.RunTime, ...] = ("onnxruntime", "opencv")


def pictures() -> list[Pixels]:
    """Return some pictures of scenes, and extreme ones."""
    dice = np.random.default_rng(1)
    return [
        *(decode(image(number)).pixels for number in range(4)),
        dice.integers(0, 256, (300, 500, 3), dtype=np.uint8),
        np.zeros((1, 1, 3), dtype=np.uint8),
        np.full((500, 2, 3), 255, dtype=np.uint8),
        np.asarray(Image.linear_gradient("L").convert("RGB")),
    ]


def cosine(one: NDArray[np.int8], other: NDArray[np.int8]) -> float:
    first, second = one.astype(float), other.astype(float)
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_the_files_are_those_that_the_identity_names() -> None:
    assert sha256(networks.MODEL.read_bytes()).hexdigest() == model.FILE_DIGEST
    assert sha256(PATH.read_bytes()).hexdigest() == model.WHITENING_DIGEST


def test_both_run_times_agree_on_drawn_pictures() -> None:
    for pixels in pictures():
        one, other = (Lite0Embedding(run_time).describe(pixels) for run_time in RUN_TIMES)
        assert one.dtype == np.int8
        assert one.shape == (256,)
        assert cosine(one, other) >= 0.999


@pytest.mark.shared_photos
def test_both_run_times_agree_on_photographs(shared: Path) -> None:
    paths = sorted((shared / "photos").iterdir())[:100]
    assert len(paths) == 100
    for path in paths:
        pixels = decode(path.read_bytes()).pixels
        one, other = (Lite0Embedding(run_time).describe(pixels) for run_time in RUN_TIMES)
        assert cosine(one, other) >= 0.999


@pytest.mark.shared_photos
def test_photographs_of_one_kind_are_closer_than_others(shared: Path) -> None:
    kinds = {
        "birds": ["n01530575", "n01534433"],
        "sharks": ["n01484850", "n01491361"],
        "lizards": ["n01685808", "n01687978"],
    }
    found = {}
    for kind, names in kinds.items():
        for name in names:
            (path,) = (shared / "photos").glob(f"{name}*")
            found[name] = (kind, Lite0Embedding().describe(decode(path.read_bytes()).pixels))
    for name, (kind, vector) in found.items():
        others = {other: one for other, one in found.items() if other != name}
        closest = max(others, key=lambda other: cosine(vector, others[other][1]))
        assert others[closest][0] == kind


def test_the_middle_of_a_picture_counts() -> None:
    (pixels, *_) = pictures()
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    assert cosine(Lite0Embedding().describe(pixels), Lite0Embedding().describe(middle)) > 0.99


def test_the_input_is_that_of_training() -> None:
    pixels = np.full((10, 10, 3), (255, 127, 0), dtype=np.uint8)
    prepared = model.prepare_picture(pixels)
    assert prepared.shape == (1, 3, 224, 224)
    assert prepared.dtype == np.float32
    assert [np.unique(channel).tolist() for channel in prepared[0]] == [
        [1.0],
        [0.0],
        [-0.9921875],
    ]


def test_it_is_a_value_and_no_run_time_changes_what_it_is() -> None:
    one = Lite0Embedding()
    assert one == Lite0Embedding() == pickle.loads(pickle.dumps(one))
    assert (
        one.identity == Lite0Embedding("opencv").identity == Lite0Embedding("onnxruntime").identity
    )
    assert one.centred


def test_opencv_runs_it_without_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "_networks", PerProcess())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert networks.find_run_time() == "opencv"
    assert Lite0Embedding().describe(pictures()[0]).any()


def test_vectors_have_their_mean_at_about_zero() -> None:
    vectors = np.array([Lite0Embedding().describe(decode(image(n)).pixels) for n in range(40)])
    positive = (vectors > 0).mean()
    assert 0.4 < positive < 0.6


@pytest.mark.parametrize("run_time", RUN_TIMES)
def test_threads_get_what_one_thread_gets(
    run_time: networks.RunTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "_networks", PerProcess())
    embedding, several = Lite0Embedding(run_time), pictures()[:4]
    expected = [embedding.describe(pixels).tolist() for pixels in several]
    found: dict[int, list[list[int]]] = {}

    def describe(number: int) -> None:
        found[number] = [embedding.describe(pixels).tolist() for pixels in several]

    threads = [threading.Thread(target=describe, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(found.values()) == [expected] * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("run_time", RUN_TIMES)
def test_a_child_process_gets_what_its_parent_gets(run_time: networks.RunTime) -> None:
    embedding, pixels = Lite0Embedding(run_time), pictures()[0]
    expected = embedding.describe(pixels).tolist()
    with networks._networks._lock:  # another thread was loading when the process was forked
        child = os.fork()
        if not child:
            os._exit(0 if embedding.describe(pixels).tolist() == expected else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0


def test_what_was_learned_has_the_right_shapes() -> None:
    whitening = load_whitening()
    assert whitening.mean.shape == (1280,)
    assert whitening.projection.shape == (1280, 256)
    assert whitening.steps.shape == (256,)
    assert whitening.logistic.shape == (2,)
