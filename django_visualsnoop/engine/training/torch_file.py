"""Read the weights of a PyTorch file of the older form (before 1.6), without PyTorch.

Such a file is a sequence of pickles, then the values of each storage. A pickle may name any Python
object; this reads only the four names that a dictionary of tensors needs, and refuses all others.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_SIZE = struct.Struct("<q")


class _Tensor(NamedTuple):
    """A tensor whose values follow later in the file."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Storage(NamedTuple):
    kind: str
    key: str


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    return _Tensor(storage.key, offset, shape, strides)


_FLOATS, _INTEGERS = "<f4", "<i8"
#: All that a file may name.
_NAMES = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _FLOATS,
    ("torch", "LongStorage"): _INTEGERS,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        #: Types of the values of each storage.
        self.kinds: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise ValueError(f"The file names {module}.{name}, which no weights need.")
        return _NAMES[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        what, kind, key, *_ = pid
        if what != "storage" or kind not in (_FLOATS, _INTEGERS):
            raise ValueError(f"The file refers to {pid!r}.")
        self.kinds[key] = kind
        return _Storage(kind, key)


def read_weights(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file, by name.

    Args:
        file: open for reading, at its start.

    Raises:
        ValueError: the file has another form, or names an object that weights do not need.
    """
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
        raise ValueError("This is not a PyTorch file of the older form.")
    _Unpickler(file).load()  # sizes of the writer's types; those in the file are fixed
    unpickler = _Unpickler(file)
    tensors = unpickler.load()
    storages = {}
    for key in _Unpickler(file).load():
        kind = np.dtype(unpickler.kinds[key])
        (size,) = _SIZE.unpack(file.read(_SIZE.size))
        storages[key] = np.frombuffer(file.read(size * kind.itemsize), kind, size)
    return {
        name: _build_array(storages[tensor.storage], tensor)
        for name, tensor in tensors.items()
        if isinstance(tensor, _Tensor)
    }


def _build_array(values: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    """Return a tensor as an array.

    Raises:
        ValueError: its strides point outside of its storage.
    """
    last = tensor.offset + sum(
        (length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0 or last >= len(values):
        raise ValueError("The file has a tensor outside of its storage.")
    steps = [stride * values.itemsize for stride in tensor.strides]
    return as_strided(values[tensor.offset :], tensor.shape, steps, writeable=False).copy()
