"""A collection whose calls can be interrupted: what happens meanwhile happens exactly then."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from django_visualsnoop.collections.recorder import RecorderCollection

if TYPE_CHECKING:
    from collections.abc import Callable


class InterruptedCollection(RecorderCollection):
    #: Each is called once, by the next call that adds or deletes: before it, or after it.
    before: ClassVar[deque[Callable[[], None]]] = deque()
    after: ClassVar[deque[Callable[[], None]]] = deque()
    bulk_size = 2

    def add_image(self, *args: Any, **kwargs: Any) -> Any:
        _run_one(self.before)
        result = super().add_image(*args, **kwargs)
        _run_one(self.after)
        return result

    def delete_image(self, image_id: str) -> Any:
        _run_one(self.before)
        result = super().delete_image(image_id)
        _run_one(self.after)
        return result


def _run_one(hooks: deque[Callable[[], None]]) -> None:
    if hooks:
        hooks.popleft()()
