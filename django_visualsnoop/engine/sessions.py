"""What runs models: loaded once in each process, on one of its cores. Imports no Django."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django_visualsnoop.common.interruptions import is_interruption

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """Values by name, each made when a thread first asks for it.

    Args:
        inherited: whether a child process keeps the values, or makes them anew.
    """

    def __init__(self, *, inherited: bool = False) -> None:
        self._inherited = inherited
        self._of_parent: list[dict[str, Value]] = []
        self._values: dict[str, Value] = {}
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.after_fork)

    def after_fork(self) -> None:
        """Make the values usable in a child process, whatever threads of the parent were doing."""
        if not self._inherited:
            # What the parent had stays: ending it would wait for its threads.
            self._of_parent.append(self._values)
            self._values = {}
        self._lock = threading.Lock()

    def get(self, name: str, create: Callable[[], Value]) -> Value:
        """Return the value of a name; ``create`` makes it."""
        with self._lock:
            if name not in self._values:
                self._values[name] = create()
            return self._values[name]


class SessionError(ValueError):
    """onnxruntime does not accept a model."""


def create_session(content: bytes, folder: str) -> Any:
    """Return an ``InferenceSession`` that uses one thread.

    Args:
        content: an ONNX file with its weights.
        folder: where weights in other files would be; there must be no such folder. Without it,
            onnxruntime looks for them in the working directory.

    Raises:
        ImportError: onnxruntime is not installed.
        SessionError: the content is not an ONNX file with its weights.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Workers are processes, as many as there are cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no class in common
        if is_interruption(error):
            raise
        raise SessionError(str(error)) from error
