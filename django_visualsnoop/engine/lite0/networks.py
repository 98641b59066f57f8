"""Run the network of EfficientNet-Lite0, by onnxruntime if it is installed, or else by OpenCV."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import cv2
import numpy as np

from django_visualsnoop.engine.sessions import PerProcess, create_session

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RunTime: TypeAlias = Literal["onnxruntime", "opencv"]

DATA = Path(__file__).parent / "data"
MODEL = DATA / "lite0.onnx"
#: Name of the model's input.
INPUT = "picture"


class Network(Protocol):
    """Safe to use from several threads."""

    def run(self, picture: Floats) -> Floats:
        """Return the features of a picture.

        Args:
            picture: 1 x 3 x size x size.

        Returns:
            1280 values.
        """


class _OnnxRuntimeNetwork:
    def __init__(self) -> None:
        self._session = create_session(MODEL.read_bytes(), str(MODEL))

    def run(self, picture: Floats) -> Floats:
        features: Floats = self._session.run(None, {INPUT: picture})[0].ravel()
        return features


class _OpenCVNetwork:
    def __init__(self) -> None:
        content = np.fromfile(MODEL, dtype=np.uint8)
        self._net = cv2.dnn.readNetFromONNX(content)
        self._lock = threading.Lock()

    def run(self, picture: Floats) -> Floats:
        with self._lock:  # a net holds the picture and the results of its layers
            self._net.setInput(picture, INPUT)
            return np.array(self._net.forward(), dtype=np.float32).ravel()


_networks: PerProcess[Network] = PerProcess()


def find_run_time() -> RunTime:
    """Return the faster run time that is installed, and can be imported."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return "opencv"
    return "onnxruntime"


def load_network(run_time: RunTime) -> Network:
    """Return the network, loaded once in each process."""
    return _networks.get(
        run_time, _OnnxRuntimeNetwork if run_time == "onnxruntime" else _OpenCVNetwork
    )
