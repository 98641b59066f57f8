"""libtiff's complaints, kept off the standard error stream. Imports no Django.

libtiff prints what it finds broken, and Pillow leaves it at that. What prints is a function that
libtiff knows by a pointer, one for the process. It is another, which does nothing, while a TIFF
is read here; errors that other threads cause meanwhile are not printed either, but Pillow raises
them all the same. The stream itself is never redirected: other threads may write to it.
"""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import _imaging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Silence:
    """The function that prints, and how many threads want none.

    No function of Python is installed: in the main thread, signal handlers would run in it,
    and what they raise, such as a time limit, would be lost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._former: int | None = None
        self._nothing: int | None = None
        self._set_handler: Callable[[int | None], int | None] | None = None
        try:
            # Symbols of the libraries that Pillow's module is linked with are found, too. The
            # interpreter's lock is kept.
            library = ctypes.PyDLL(_imaging.__file__)
            set_handler = library.TIFFSetErrorHandler
            # It takes no arguments, and has no effects: it may be called in place of a handler,
            # whose arguments it leaves alone. A null pointer may not: libtiff looks at the
            # pointer once more before it calls it.
            self._nothing = ctypes.cast(library.TIFFGetVersion, ctypes.c_void_p).value
        except (AttributeError, OSError):  # linked into the module, or no libtiff
            return
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        self._set_handler = set_handler
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_anew)

    @contextmanager
    def keep(self) -> Iterator[None]:
        """Let libtiff print nothing inside."""
        if self._set_handler is None:
            yield
            return
        with self._lock:
            if not self._count:
                self._former = self._set_handler(self._nothing)
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if not self._count:
                    self._restore()

    def _restore(self) -> None:
        if self._set_handler is not None:
            found = self._set_handler(self._former)
            if found != self._nothing:  # others have set theirs meanwhile
                self._set_handler(found)

    def _begin_anew(self) -> None:
        """Forget the threads that a forked process does not have."""
        self._lock = threading.Lock()
        if self._count:
            self._count = 0
            self._restore()


_silence = _Silence()
silence_libtiff = _silence.keep
