"""Embeddings by a model of the project's choice, in an ONNX file.

The model runs in the process, on its processor; no picture leaves it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop.common.interruptions import is_interruption
from django_visualsnoop.engine.descriptors.descriptor import quantise
from django_visualsnoop.engine.sessions import PerProcess, SessionError, create_session
from django_visualsnoop.engine.squares import resize_to_square

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from django_visualsnoop.engine.images.decode import Pixels

    Floats = NDArray[np.float32]

#: Values of a model's output at most; more are maps of a picture rather than a vector.
MAX_VALUES = 16_384
_MAX_SIZE = 4096
_BYTES = "tensor(uint8)"


class ModelError(ImproperlyConfigured):
    """The engine cannot read or use the model."""


@dataclass(frozen=True)
class OnnxEmbedding:
    """Computes embeddings with a model such as DINOv2, CLIP or SSCD. Requires the extra ``onnx``.

    Creating one reads no file; each process loads the model when it first needs it. The input of
    the model is one picture, in the order red, green, blue: 1 x 3 x ``size`` x ``size`` or 1 x
    ``size`` x ``size`` x 3. If it is float32, each value is ``(value / 255 - mean) / std``. If it
    is uint8, the values are those of the picture. The embedding is the first output or, if this is
    1 x tokens x values, its first token.

    Args:
        path: the path of the ONNX file, which must contain the weights.
        size: the width and height of the input, in pixels.
        mean: the mean of red, green and blue that the model was trained with, each 0 to 1;
            ``None`` for a model that takes uint8.
        std: the standard deviation of red, green and blue that the model was trained with;
            likewise.
        crop: whether the input is the largest square in the middle, or the whole picture
            squeezed into a square.

    Raises:
        ValueError: an argument is invalid.
    """

    path: str | os.PathLike[str]
    size: int
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    crop: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fspath(self.path))
        if not isinstance(self.size, int) or not 1 <= self.size <= _MAX_SIZE:
            raise ValueError(f"size must be an integer from 1 to {_MAX_SIZE}, not {self.size!r}.")
        if self.mean is None and self.std is None:
            return
        for name in ("mean", "std"):
            object.__setattr__(self, name, _three(name, getattr(self, name)))
        if min(self.std or ()) <= 0:
            raise ValueError(f"std must be three numbers above 0, not {self.std!r}.")

    @property
    def identity(self) -> str:
        """16 characters that identify the model's file and all arguments except the path.

        Raises:
            ModelError: the file cannot be read.
        """
        seen = f"{_get_digest(str(self.path))} {self.size} {self.mean} {self.std} {self.crop}"
        return sha256(seen.encode()).hexdigest()[:16]

    def describe(self, pixels: Pixels) -> NDArray[np.int8]:
        """Return the model's output for a picture, as signed bytes; their length has no meaning.

        Args:
            pixels: height x width x 3, RGB, uint8.

        Raises:
            ModelError: the model cannot be read, takes something else, or gives no vector.
        """
        return self._run_model(pixels, _get_session(str(self.path)))

    def try_once(self, pixels: Pixels) -> None:
        """Describe a picture, and keep nothing of the model in memory.

        Raises:
            ModelError: see ``describe``.
        """
        self._run_model(pixels, _session(str(self.path), _content(str(self.path))))

    def _run_model(self, pixels: Pixels, session: Any) -> NDArray[np.int8]:
        first, output = session.get_inputs()[0], session.get_outputs()[0]
        picture = self._prepare_input(pixels, first)
        try:
            (found,) = session.run([output.name], {first.name: picture})
        except Exception as error:  # the runtime's errors have no class in common
            if is_interruption(error):
                raise
            raise ModelError(
                f"The model {self.path} does not accept "
                f"{' x '.join(map(str, picture.shape))} values: {error}"
            ) from error
        return quantise(self._read_output(found))

    def _prepare_input(self, pixels: Pixels, wanted: Any) -> NDArray[Any]:
        """Return the model's input for a picture.

        Args:
            pixels: height x width x 3.
            wanted: what the session says of the input.

        Raises:
            ModelError: ``mean`` and ``std`` are missing, or the model does not take them.
        """
        square: NDArray[Any] = resize_to_square(pixels, self.size, crop=self.crop)
        if (wanted.type == _BYTES) != (self.mean is None):
            raise ModelError(
                f"The model {self.path} takes uint8, so mean and std must be None."
                if wanted.type == _BYTES
                else f"The model {self.path} requires the mean and std that it was trained with."
            )
        if self.mean is not None:
            square = square.astype(np.float32) / np.float32(255)
            square -= np.array(self.mean, dtype=np.float32)
            square /= np.array(self.std, dtype=np.float32)
        if not (len(wanted.shape) == 4 and wanted.shape[3] == 3 != wanted.shape[1]):
            square = square.transpose(2, 0, 1)
        return np.ascontiguousarray(square[None])

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


_digests: PerProcess[str] = PerProcess(inherited=True)
_sessions: PerProcess[Any] = PerProcess()


def _get_digest(path: str) -> str:
    """Return the SHA-256 of a file, as it was when the process first asked."""
    return _digests.get(path, lambda: sha256(_content(path)).hexdigest())


def _get_session(path: str) -> Any:
    """Return what runs a model."""
    digest = _get_digest(path)

    def create() -> Any:
        content = _content(path)
        if sha256(content).hexdigest() != digest:
            raise ModelError(
                f"The model {path} has changed since this process loaded it. Restart the process."
            )
        return _session(path, content)

    return _sessions.get(path, create)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from error


def _session(path: str, content: bytes) -> Any:
    try:
        # Nothing lies in a file as in a folder: weights in a second file, which the digest would
        # not tell, are never found.
        return create_session(content, folder=path)
    except ImportError as error:
        raise ModelError(
            "An embedding model requires onnxruntime. "
            'Type: python -m pip install "django-visualsnoop[onnx]"'
        ) from error
    except SessionError as error:
        raise ModelError(
            f"The model {path} is not an ONNX file that contains its weights: {error}"
        ) from error
