"""Weights in PyTorch's older form, read without it and without trusting the file."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from django_visualsnoop.engine.training.torch_file import read_weights

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def written(tensors: object, storages: dict[str, np.ndarray[Any, Any]]) -> bytes:
    """Return a file as ``torch.save`` wrote it; ``tensors`` is an object, or its pickle."""
    parts = [pickle.dumps(one, protocol=2) for one in (MAGIC, PROTOCOL, {"little_endian": True})]
    parts += [tensors if isinstance(tensors, bytes) else pickle.dumps(tensors, protocol=2)]
    parts.append(pickle.dumps(list(storages), protocol=2))
    for values in storages.values():
        parts.append(struct.pack("<q", len(values)) + values.tobytes())
    return b"".join(parts)


def tensor(
    key: str, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, kind: str = "Float"
) -> bytes:
    """Return the pickle of one tensor, without its end."""

    def whole(number: int) -> bytes:
        return b"I%d\n" % number

    def several(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(whole, numbers)) + b"t"

    storage = b"(Vstorage\nctorch\n" + kind.encode() + b"Storage\nV" + key.encode()
    storage += b"\nVcpu\nI0\nNtQ"
    arguments = b"(" + storage + whole(offset) + several(shape) + several(strides)
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"I00\nccollections\nOrderedDict\n)RtR"
    )


def weights(**tensors: bytes) -> bytes:
    """Return the pickle of a dictionary of tensors."""
    found = b"ccollections\nOrderedDict\n)R("
    for name, one in tensors.items():
        found += b"V" + name.encode() + b"\n" + one
    return found + b"u."


VALUES = np.arange(12, dtype="<f4")


def test_tensors_are_read_with_their_shapes() -> None:
    content = written(
        weights(
            rows=tensor("1", (3, 4), (4, 1)),
            turned=tensor("1", (4, 3), (1, 4)),
            later=tensor("1", (2,), (1,), offset=5),
            one=tensor("2", (), (), kind="Long"),
        ),
        {"1": VALUES, "2": np.array([7], dtype="<i8")},
    )
    found = read_weights(io.BytesIO(content))
    assert found["rows"].tolist() == VALUES.reshape(3, 4).tolist()
    assert found["turned"].tolist() == VALUES.reshape(3, 4).T.tolist()
    assert found["later"].tolist() == [5, 6]
    assert found["one"].dtype == np.int64
    assert found["one"].tolist() == 7


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((13,), (1,), 0), ((3, 4), (5, 1), 0), ((2,), (1,), 11), ((2,), (-1,), 5), ((2,), (1,), -1)],
)
def test_no_tensor_reaches_beyond_its_values(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    content = written(weights(one=tensor("1", shape, strides, offset)), {"1": VALUES})
    with pytest.raises(ValueError, match="outside of its storage"):
        read_weights(io.BytesIO(content))


@pytest.mark.parametrize("name", [b"os\nsystem", b"builtins\neval", b"torch\nDoubleStorage"])
def test_a_file_may_name_nothing_else(name: bytes) -> None:
    content = written(b"c" + name + b"\n(Vtouch /tmp/x\ntR.", {})
    with pytest.raises(ValueError, match="which no weights need"):
        read_weights(io.BytesIO(content))


def test_other_references_are_refused() -> None:
    content = written(b"(Vmodule\nctorch\nFloatStorage\nV1\ntQ.", {})
    with pytest.raises(ValueError, match="refers to"):
        read_weights(io.BytesIO(content))


def test_another_form_is_refused() -> None:
    for content in (pickle.dumps(1), pickle.dumps(MAGIC) + pickle.dumps(1002)):
        with pytest.raises(ValueError, match="older form"):
            read_weights(io.BytesIO(content))


def test_what_is_no_tensor_is_left_out() -> None:
    content = written(OrderedDict(epoch=3), {})
    assert read_weights(io.BytesIO(content)) == {}
