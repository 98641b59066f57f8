"""Open the files of rows by the ids of their images."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from django_visualsnoop.common.batches import batched
from django_visualsnoop.common.transactions import retry_when_locked

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_visualsnoop.common.open_pictures import OpenPicture
    from django_visualsnoop.indexed.image_ids import ImageIds
    from django_visualsnoop.indexed.options import IndexedField

#: Number of rows read together.
_TOGETHER = 500


def find_pictures(ids: ImageIds, image_ids: Collection[str]) -> dict[str, OpenPicture]:
    """Return what opens the files of the rows that have one, by image id.

    This costs one query per field, database and some hundred ids.

    Args:
        ids: the image ids of the fields to read.
        image_ids: ids of the images.
    """
    wanted: defaultdict[tuple[IndexedField, str], dict[Any, str]] = defaultdict(dict)
    for image_id in image_ids:
        parsed = ids.parse(image_id)
        if parsed is not None:
            wanted[parsed.field, parsed.database][parsed.key] = image_id
    found: dict[str, OpenPicture] = {}
    for (field, database), id_of in wanted.items():
        for keys in batched(id_of, _TOGETHER):
            for key, name in _read_names(field, database, keys):
                if name:
                    found[id_of[key]] = partial(_open, field, key, name)
    return found


def _read_names(field: IndexedField, database: str, keys: list[Any]) -> list[tuple[Any, str]]:
    # Plain values: loading an instance may open its file, if it has dimension fields.
    rows = field.owner._base_manager.using(database).filter(pk__in=keys)
    names = rows.values_list("pk", field.name)
    return retry_when_locked(lambda: list(names), using=database)


def _open(field: IndexedField, key: Any, name: str) -> IO[bytes]:
    """Open a file as the field of its row does: a project's own class may decrypt it."""
    image_field: Any = field.owner._meta.get_field(field.name)
    file = image_field.attr_class(field.owner(pk=key), image_field, name)
    opened: IO[bytes] = file.open("rb")
    return opened
