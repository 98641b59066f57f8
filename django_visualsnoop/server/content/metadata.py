"""Metadata of images: a small, flat JSON object that a program stores and filters by."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import connections

from django_visualsnoop.server.models import Metadata, MetadataValue, database

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value: TypeAlias = str | int | float | bool | None

#: The size limit of the whole object, as JSON in ASCII.
MAX_BYTES = 2048
MAX_NAMES = 20
MAX_NAME_LENGTH = 50
#: Values that a filter may give for one name.
MAX_CHOICES = 50
#: JSON's numbers are exact up to here everywhere (RFC 8259, 6).
_MAX_NUMBER = 2**53 - 1
#: Rows read at a time.
_PAGE = 1000


class InvalidMetadata(ValueError):  # noqa: N818
    """The metadata or the filter is not valid; the message says why."""


def parse_json(text: str | bytes, what: str) -> Any:
    """Parse a JSON text. Refuses ``NaN`` and the infinities, which Python would accept.

    Raises:
        InvalidMetadata: the text is not JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidMetadata(f"{what} is not JSON: {error}") from None


def format_value(value: object) -> str:
    """Return a value as text for a message. Python does not format integers of 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "an integer of about " + f"{int(value.bit_length() * 0.30103):,} digits"
    return f"{value!r:.40}"


def check_metadata(given: object) -> dict[str, Value]:
    """Return metadata as it is stored.

    Args:
        given: a dict of up to 20 names, each of 1 to 50 characters, to strings, finite numbers,
            booleans and ``None``; at most 2,048 bytes as JSON in ASCII.

    Raises:
        InvalidMetadata: ``given`` is anything else.
    """
    if not isinstance(given, dict):
        raise InvalidMetadata(
            f'Metadata must be a JSON object such as {{"sku": 5}}, not {given!r:.40}.'
        )
    found = {_check_name(name): _check_value(name, value) for name, value in given.items()}
    if len(found) > MAX_NAMES:
        raise InvalidMetadata(f"Metadata has {len(found)} names; at most {MAX_NAMES} are allowed.")
    size = len(_dump(found))
    if size > MAX_BYTES:
        raise InvalidMetadata(
            f"Metadata has {size:,} bytes as JSON; at most {MAX_BYTES:,} are allowed."
        )
    return found


def check_filter(given: object) -> dict[str, list[Value]]:
    """Return the values that the metadata of an image may have, by name.

    Args:
        given: a dict of names to a value, or to a list of up to 50 values that match.

    Raises:
        InvalidMetadata: ``given`` is anything else.
    """
    if not isinstance(given, dict) or not given or len(given) > MAX_NAMES:
        raise InvalidMetadata(
            'A filter must be a JSON object such as {"sku": 5, "colour": ["red", "blue"]} with 1 '
            f"to {MAX_NAMES} names, not {given!r:.40}."
        )
    found = {}
    for name, wanted in given.items():
        choices = wanted if isinstance(wanted, list) else [wanted]
        if not 0 < len(choices) <= MAX_CHOICES:
            raise InvalidMetadata(f"{name!r:.60} has {len(choices)} values; use 1 to 50.")
        found[_check_name(name)] = [_check_value(name, value) for value in choices]
    return found


def write_metadata(collection_id: str, image_id: str, metadata: Mapping[str, Value]) -> None:
    """Keep this with an image, in place of what there was; call it in its transaction."""
    write_many(collection_id, {image_id: metadata})


def write_many(collection_id: str, metadata: Mapping[str, Mapping[str, Value]]) -> None:
    """Keep this with some images, by their ids; see ``write_metadata``."""
    keys = {image_id: _hash_image(collection_id, image_id) for image_id in metadata}
    _remove_values(keys.values())
    empty = [keys[image_id] for image_id, given in metadata.items() if not given]
    Metadata.objects.using(database()).filter(pk__in=empty).delete()
    rows = [
        Metadata(
            id=keys[image_id],
            collection_id=collection_id,
            image_id=image_id,
            body=_dump(given),
        )
        for image_id, given in metadata.items()
        if given
    ]
    features = connections[database()].features
    Metadata.objects.using(database()).bulk_create(
        sorted(rows, key=lambda row: row.pk),  # in one order, so that no two writers deadlock
        update_conflicts=True,
        update_fields=["body"],
        unique_fields=["id"] if features.supports_update_conflicts_with_target else None,
    )
    MetadataValue.objects.using(database()).bulk_create(
        MetadataValue(
            collection_id=collection_id,
            metadata_id=keys[image_id],
            digest=_hash_value(collection_id, name, value),
        )
        for image_id, given in metadata.items()
        for name, value in given.items()
    )


def remove_metadata(collection_id: str, image_id: str) -> None:
    """Forget what was kept with an image; call it in the transaction that deletes it."""
    key = _hash_image(collection_id, image_id)
    _remove_values([key])
    Metadata.objects.using(database()).filter(pk=key).delete()


def read_metadata(collection_id: str, image_ids: Iterable[str]) -> dict[str, dict[str, Value]]:
    """Return what is kept with images, by their ids; those without are left out."""
    keys = [_hash_image(collection_id, image_id) for image_id in image_ids]
    found = {}
    for start in range(0, len(keys), _PAGE):
        rows = Metadata.objects.using(database()).filter(pk__in=keys[start : start + _PAGE])
        for image_id, body in rows.values_list("image_id", "body"):
            found[image_id] = json.loads(body)
    return found


def find_matching(collection_id: str, wanted: Mapping[str, list[Value]]) -> set[str]:
    """Return the ids of the images that have all this; see ``check_filter``."""
    rows = Metadata.objects.using(database()).filter(collection_id=collection_id)
    texts = {}
    for name, choices in wanted.items():
        texts[name] = {_dump(value) for value in choices}
        digests = {_hash_value(collection_id, name, value) for value in choices}
        rows = rows.filter(values__digest__in=digests)
    return {
        image_id
        for image_id, body in rows.values_list("image_id", "body")
        if _has_values(json.loads(body), texts)
    }


def _has_values(metadata: Mapping[str, Value], texts: Mapping[str, set[str]]) -> bool:
    return all(name in metadata and _dump(metadata[name]) in texts[name] for name in texts)


def _remove_values(keys: Iterable[str]) -> None:
    # By primary key: on MariaDB, deleting what is not there would lock the gap where others
    # insert. One that a snapshot hides is left; so a value is a hint, and the body the truth.
    values = MetadataValue.objects.using(database())
    known = list(values.filter(metadata_id__in=list(keys)).values_list("pk", flat=True))
    if known:
        values.filter(pk__in=known).delete()


def _hash_image(collection_id: str, image_id: str) -> str:
    return sha256(f"{collection_id}\n{image_id}".encode()).hexdigest()


def _hash_value(collection_id: str, name: str, value: Value) -> str:
    return sha256(_dump([collection_id, name, value]).encode()).hexdigest()


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _check_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise InvalidMetadata(
            f"{name!r:.60} is not a valid name in metadata; use 1 to {MAX_NAME_LENGTH} characters."
        )
    return name


def _check_value(name: str, value: object) -> Value:
    if value is None or isinstance(value, (str, bool)):
        return value
    # Not ``isfinite``: it makes a float of an integer, which may be too large for one. What is
    # no number is within no limits.
    if isinstance(value, (int, float)) and abs(value) <= _MAX_NUMBER:
        # 1 and 1.0 are one number in JSON.
        return int(value) if value == int(value) else value
    raise InvalidMetadata(
        f"{name!r:.60} must be a string, a number within ±(2^53 - 1), true, false or null, not "
        f"{format_value(value)}."
    )


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number")
