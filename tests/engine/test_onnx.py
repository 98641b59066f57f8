"""Embeddings by a model in an ONNX file."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from django.core.exceptions import ImproperlyConfigured
from onnx import TensorProto, helper

from django_visualsnoop.engine import onnx
from django_visualsnoop.engine.onnx import ModelError, OnnxEmbedding
from django_visualsnoop.engine.sessions import PerProcess
from tests.embeddings import BLUE, HALF, RED, SIZE, colour_model, save_model

if TYPE_CHECKING:
    from pathlib import Path

    from django_visualsnoop.engine.images.decode import Pixels


@pytest.fixture(autouse=True)
def _a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "_digests", PerProcess(inherited=True))
    monkeypatch.setattr(onnx, "_sessions", PerProcess())


def filled(colour: tuple[int, int, int], height: int = 6, width: int = 9) -> Pixels:
    pixels: Pixels = np.full((height, width, 3), colour, dtype=np.uint8)
    return pixels


def node(kind: str, *inputs: str, **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs), ["y"], **attributes)


def of(path: Path, **changes: Any) -> OnnxEmbedding:
    return OnnxEmbedding(**{"path": path, "size": SIZE, "mean": HALF, "std": HALF, **changes})


def test_the_model_sees_the_picture_as_documented(tmp_path: Path) -> None:
    embedding = colour_model(tmp_path)
    assert embedding.describe(filled(RED)).tolist() == [127, -127, -127]
    assert embedding.describe(filled((255, 128, 0))).tolist() == [127, 0, -127]
    other = of(tmp_path / "colours.onnx", mean=(0, 0, 0), std=(1, 0.5, 1))
    assert other.describe(filled((128, 128, 0))).tolist() == [64, 127, 0]
    assert other.describe(filled((0, 0, 0))).tolist() == [0, 0, 0]


def test_the_values_come_in_rows_of_red_then_green_then_blue(tmp_path: Path) -> None:
    embedding = of(save_model(tmp_path / "m.onnx", node("Identity", "x")))
    pixels = filled((0, 0, 0), SIZE, SIZE)
    pixels[0, 1] = (255, 0, 0)
    seen = embedding.describe(pixels).reshape(3, SIZE, SIZE)
    assert np.argwhere(seen == 127).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8])
@pytest.mark.parametrize("colours_last", [True, False])
def test_the_model_says_which_input_it_takes(tmp_path: Path, kind: int, colours_last: bool) -> None:
    shape = [1, SIZE, SIZE, 3] if colours_last else [1, 3, SIZE, SIZE]
    path = save_model(
        tmp_path / "m.onnx", node("Cast", "x", to=TensorProto.FLOAT), shape=shape, kind=kind
    )
    pixels = filled((0, 0, 0), SIZE, SIZE)
    pixels[0, 1] = (255, 127, 0)
    bytes_taken = kind == TensorProto.UINT8
    embedding = OnnxEmbedding(path, SIZE) if bytes_taken else of(path, mean=(0,) * 3, std=(1,) * 3)
    seen = embedding.describe(pixels).reshape(shape)
    if not colours_last:
        seen = seen.transpose(0, 2, 3, 1)
    assert np.argwhere(seen).tolist() == [[0, 0, 1, 0], [0, 0, 1, 1]]
    assert seen[0, 0, 1].tolist() == [127, 63, 0]
    other = of(path) if bytes_taken else OnnxEmbedding(path, SIZE)
    message = "takes uint8, so mean and std must be None" if bytes_taken else "requires the mean"
    with pytest.raises(ModelError, match=message):
        other.describe(pixels)


def test_the_whole_picture_counts_or_the_square_in_its_middle(tmp_path: Path) -> None:
    pixels = np.concatenate([filled(RED, 8, 8), filled(BLUE, 8, 16), filled(RED, 8, 8)], axis=1)
    whole, middle = colour_model(tmp_path), of(tmp_path / "colours.onnx", crop=True)
    assert whole.describe(pixels).tolist() == [0, -127, 0]
    assert middle.describe(pixels).tolist() == [-127, -127, 127]
    assert middle.describe(pixels.transpose(1, 0, 2)).tolist() == [-127, -127, 127]


def test_of_tokens_the_first_counts(tmp_path: Path) -> None:
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 3, SIZE * SIZE])
    path = save_model(tmp_path / "m.onnx", node("Reshape", "x", "shape"), constants=[shape])
    assert of(path).describe(filled(RED)).tolist() == [127] * SIZE * SIZE


def test_the_identity_is_that_of_the_model_and_its_arguments(tmp_path: Path) -> None:
    one = colour_model(tmp_path)
    same = colour_model(tmp_path, "renamed")
    others = [
        colour_model(tmp_path, "other", weight=2.0),
        of(tmp_path / "colours.onnx", size=SIZE + 1),
        of(tmp_path / "colours.onnx", mean=(0.5, 0.5, 0.4)),
        of(tmp_path / "colours.onnx", std=(0.5, 0.5, 0.4)),
        of(tmp_path / "colours.onnx", crop=True),
    ]
    assert one.identity == same.identity == of(tmp_path / "colours.onnx").identity
    assert len({one.identity, *(other.identity for other in others)}) == 6
    assert len(one.identity) == 16


def test_making_one_reads_nothing_and_gives_a_value(tmp_path: Path) -> None:
    one = of(tmp_path / "nowhere.onnx", mean=[0.5, 0.5, 0.5])
    assert one == of(tmp_path / "nowhere.onnx") == pickle.loads(pickle.dumps(one))
    assert {one: 1}[of(tmp_path / "nowhere.onnx")] == 1
    assert one.path == str(tmp_path / "nowhere.onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 0}, "size must be an integer from 1 to 4096, not 0"),
        ({"size": 5000}, "not 5000"),
        ({"size": 22.4}, "not 22.4"),
        ({"mean": 0.5}, "mean must be three numbers"),
        ({"mean": None}, "mean must be three numbers"),
        ({"std": None}, "std must be three numbers"),
        ({"mean": (0.5, 0.5)}, "mean must be"),
        ({"mean": "abc"}, "not 'abc'"),
        ({"std": (1, 1, float("nan"))}, "std must be"),
        ({"std": (1, 1, 0)}, "std must be three numbers above 0"),
    ],
)
def test_impossible_arguments(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(tmp_path / "m.onnx", **changes)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    for use in (lambda: of(tmp_path / "m.onnx").identity, lambda: _describe(tmp_path / "m.onnx")):
        with pytest.raises(ImproperlyConfigured, match=r"m.onnx cannot be read: No such file"):
            use()


def _describe(path: Path) -> Any:
    return of(path).describe(filled(RED))


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="not an ONNX file that contains its weights"):
        _describe(tmp_path / "m.onnx")


def test_weights_in_a_second_file_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").write_bytes(np.eye(SIZE, dtype=np.float32).tobytes())
    weights = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[SIZE, SIZE])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights")
    path = save_model(tmp_path / "m.onnx", node("MatMul", "x", "weights"), constants=[weights])
    monkeypatch.chdir(tmp_path)
    for use in (path, path.relative_to(tmp_path)):
        with pytest.raises(ModelError, match="not an ONNX file that contains its weights"):
            _describe(use)


def test_models_that_take_something_else(tmp_path: Path) -> None:
    two = save_model(tmp_path / "two.onnx", node("Add", "x", "z"), inputs=2)
    with pytest.raises(ModelError, match="does not accept 1 x 3 x 8 x 8 values"):
        _describe(two)
    with pytest.raises(ModelError, match="does not accept 1 x 3 x 9 x 9 values"):
        of(save_model(tmp_path / "m.onnx", node("Identity", "x")), size=9).describe(filled(RED))


def test_models_that_give_no_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_model(tmp_path / "numbers.onnx", node("Log", "x"))
    with pytest.raises(ModelError, match="values that are not numbers"):
        _describe(path)
    monkeypatch.setattr(onnx, "MAX_VALUES", 100)
    with pytest.raises(ModelError, match="returns 192 values for a picture, not 1 to 100"):
        _describe(path)


def test_without_the_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = colour_model(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r'pip install "django-visualsnoop\[onnx\]"'):
        embedding.describe(filled(RED))


def test_a_model_that_changes_under_a_process_is_not_mixed_with_the_one_before(
    tmp_path: Path,
) -> None:
    embedding = colour_model(tmp_path)
    before = embedding.identity
    colour_model(tmp_path, weight=3.0)
    with pytest.raises(ModelError, match="Restart the process"):
        embedding.describe(filled(RED))
    assert embedding.identity == before


def test_threads_share_one_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    session = onnx._session

    def spied(path: str, content: bytes) -> Any:
        made.append(path)
        return session(path, content)

    monkeypatch.setattr(onnx, "_session", spied)
    embedding = colour_model(tmp_path)
    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.append(embedding.describe(filled(RED)).tolist()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[127, -127, -127]] * 8
    assert len(made) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_loads_the_model_anew(tmp_path: Path) -> None:
    embedding = colour_model(tmp_path)
    embedding.describe(filled(RED))
    # Another thread was loading when the process was forked.
    with onnx._sessions._lock, onnx._digests._lock:
        child = os.fork()
        if not child:
            found = embedding.describe(filled(RED)).tolist()
            os._exit(0 if found == [127, -127, -127] and onnx._sessions._of_parent[0] else 1)
        _, status = os.waitpid(child, 0)
    assert status == 0
    assert embedding.describe(filled(RED)).tolist() == [127, -127, -127]
