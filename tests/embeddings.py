"""Small embedding models, and pictures whose embeddings are known."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from django_visualsnoop.engine.onnx import OnnxEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnx import NodeProto

    from django_visualsnoop.engine.images.decode import Pixels

RED, ORANGE, GREEN, BLUE = (255, 0, 0), (255, 128, 0), (0, 255, 0), (0, 0, 255)
HALF = (0.5, 0.5, 0.5)
SIZE = 8


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    """Return a picture of one colour, as a file."""
    return written(Image.new("RGB", size, colour))


def written(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def save_model(
    path: Path,
    *nodes: NodeProto,
    inputs: int = 1,
    constants: Any = (),
    shape: Sequence[int] = (1, 3, SIZE, SIZE),
    kind: int = TensorProto.FLOAT,
) -> Path:
    """Write a model of these nodes, from ``x`` to ``y``."""
    seen = [helper.make_tensor_value_info(name, kind, list(shape)) for name in ("x", "z")[:inputs]]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "embedding", seen, [out], initializer=list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


def colour_model(folder: Path, name: str = "colours", weight: float = 1.0) -> OnnxEmbedding:
    """Return a model whose embedding is the mean colour, -1 to 1; another weight, another model."""
    scale = helper.make_tensor("weight", TensorProto.FLOAT, [1], [weight])
    path = save_model(
        folder / f"{name}.onnx",
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Mul", ["mean", "weight"], ["y"]),
        constants=[scale],
    )
    return OnnxEmbedding(path, size=SIZE, mean=HALF, std=HALF)


class MeanColour:
    """An embedding without a model file, as a project may compute it itself."""

    identity = "the mean colour of the whole picture"

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        return (pixels.mean(axis=(0, 1)) - 128).astype(np.int8)


MEAN_COLOUR = MeanColour()


class Broken:
    """A model that fails."""

    identity = "broken"

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        return np.zeros(1 // (len(pixels) - len(pixels)), np.int8)


BROKEN = Broken()
