"""How code that has no access to a project's files asks for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import IO, TypeAlias

#: Opens one file for reading. It may raise any error if the file cannot be read.
OpenPicture: TypeAlias = Callable[[], IO[bytes]]

#: Takes image ids, and returns what opens the files of those that have one: many at a time, so that
#: it costs a few queries, not one for each.
FindPictures: TypeAlias = Callable[[Collection[str]], Mapping[str, OpenPicture]]
