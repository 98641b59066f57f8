"""Embeddings by a model of the project's choice, in an ONNX file.

The model runs in the process, on its processor; no picture leaves it.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.exceptions import ImproperlyConfigured
from PIL import Image

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.descriptors.descriptor import quantise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    Floats = NDArray[np.float32]

#: Values of a model's output at most; more are maps of a picture rather than a vector.
MAX_VALUES = 16_384
_MAX_SIZE = 4096


class ModelError(ImproperlyConfigured):
    """The engine cannot read or use the model."""


@dataclass(frozen=True)
class OnnxEmbedding:
    """Computes embeddings with a model such as DINOv2, CLIP or SSCD. Requires the extra ``onnx``.

    Creating one reads no file; each process loads the model when it first needs it. The input of
    the model is one picture, float32, 1 x 3 x ``size`` x ``size``, in the order red, green, blue.
    Each value is ``(value / 255 - mean) / std``. The embedding is the first output or, if this is
    1 x tokens x values, its first token.

    Args:
        path: the path of the ONNX file, which must contain the weights.
        size: the width and height of the input, in pixels.
        mean: the mean of red, green and blue that the model was trained with, each 0 to 1.
        std: the standard deviation of red, green and blue that the model was trained with.
        crop: whether the input is the largest square in the middle, or the whole picture
            squeezed into a square.

    Raises:
        ValueError: an argument is invalid.
    """

    path: str | os.PathLike[str]
    size: int
    mean: Sequence[float]
    std: Sequence[float]
    crop: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if not isinstance(self.size, int) or not 1 <= self.size <= _MAX_SIZE:
            raise ValueError(f"size must be an integer from 1 to {_MAX_SIZE}, not {self.size!r}.")
        for name in ("mean", "std"):
            object.__setattr__(self, name, _three(name, getattr(self, name)))
        if min(self.std) <= 0:
            raise ValueError(f"std must be three numbers above 0, not {self.std!r}.")

    @property
    def identity(self) -> str:
        """16 characters that identify the model's file and all arguments except the path.

        Raises:
            ModelError: the file cannot be read.
        """
        seen = f"{_loaded.digest(str(self.path))} {self.size} {self.mean} {self.std} {self.crop}"
        return sha256(seen.encode()).hexdigest()[:16]

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        """Return the model's output for a picture, as signed bytes; their length has no meaning.

        Args:
            pixels: height x width x 3, RGB, uint8.

        Raises:
            ModelError: the model cannot be read, takes something else, or gives no vector.
        """
        return self._run_model(pixels, _loaded.session(str(self.path)))

    def try_once(self, pixels: Pixels) -> None:
        """Describe a picture, and keep nothing of the model in memory.

        Raises:
            ModelError: see ``describe``.
        """
        self._run_model(pixels, _session(str(self.path), _content(str(self.path))))

    def _run_model(self, pixels: Pixels, session: Any) -> NDArray[np.int8]:
        try:
            first, output = session.get_inputs()[0].name, session.get_outputs()[0].name
            (found,) = session.run([output], {first: self._prepare_input(pixels)})
        except Exception as error:  # the runtime's errors have no class in common
            if is_interruption(error):
                raise
            raise ModelError(
                f"The model {self.path} does not accept 1 x 3 x {self.size} x {self.size} "
                f"values: {error}"
            ) from error
        return quantise(self._read_output(found))

    def _prepare_input(self, pixels: Pixels) -> Floats:
        height, width = pixels.shape[:2]
        box: tuple[float, float, float, float] = (0, 0, width, height)
        if self.crop:
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        picture = Image.fromarray(pixels)
        # What torchvision does with a PIL image, so what the model was trained with.
        resized = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        values: Floats = np.asarray(resized, dtype=np.float32) / np.float32(255)
        values -= np.array(self.mean, dtype=np.float32)
        values /= np.array(self.std, dtype=np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])

    def _read_output(self, found: Any) -> Floats:
        output = np.asarray(found)
        values: Floats = (output[0, 0] if output.ndim == 3 else output).ravel().astype(np.float32)
        if not 1 <= len(values) <= MAX_VALUES:
            raise ModelError(
                f"The model {self.path} returns {len(values)} values for a picture, "
                f"not 1 to {MAX_VALUES}."
            )
        if not np.isfinite(values).all():
            raise ModelError(f"The model {self.path} returns values that are not numbers.")
        return values


def _three(name: str, values: Any) -> tuple[float, ...]:
    try:
        numbers = tuple(map(float, values))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} must be three numbers, such as (0.5, 0.5, 0.5), not {values!r}.")
    return numbers


class _SessionCache:
    """The models of this process, by path."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._of_parent: list[dict[str, Any]] = []
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """Load anew. What the parent had stays: ending it would wait for its threads."""
        self._of_parent.append(self._sessions)
        self._sessions = {}
        self._lock = threading.Lock()

    def digest(self, path: str) -> str:
        """Return the SHA-256 of a file, as it was when the process first asked."""
        with self._lock:
            if path not in self._digests:
                self._digests[path] = sha256(_content(path)).hexdigest()
            return self._digests[path]

    def session(self, path: str) -> Any:
        """Return what runs a model."""
        digest = self.digest(path)
        with self._lock:
            if path not in self._sessions:
                content = _content(path)
                if sha256(content).hexdigest() != digest:
                    raise ModelError(
                        f"The model {path} has changed since this process loaded it. "
                        "Restart the process."
                    )
                self._sessions[path] = _session(path, content)
            return self._sessions[path]


_loaded = _SessionCache()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loaded.after_fork)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from error


def _session(path: str, content: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            "An embedding model requires onnxruntime. "
            'Type: python -m pip install "django-visualsnoop[onnx]"'
        ) from error
    options = onnxruntime.SessionOptions()
    # Workers are processes, as many as there are cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Nothing lies in a file as in a folder: without this, weights in a second file would be looked
    # for in the working directory, and the digest would not tell them.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", path)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # likewise
        if is_interruption(error):
            raise
        raise ModelError(
            f"The model {path} is not an ONNX file that contains its weights: {error}"
        ) from error
