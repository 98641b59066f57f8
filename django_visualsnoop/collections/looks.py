"""The option ``looks`` of ``LocalCollection``: resolve and check it."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, cast

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_visualsnoop.collections.base import refused_setting
from django_visualsnoop.exceptions import MissingExtra

if TYPE_CHECKING:
    from django_visualsnoop.engine.embedding import LooksDescriptor

#: Width and height of the picture with which a check tests a model.
_SIDE = 32


def describes(value: object) -> bool:
    """Return whether an object can describe looks."""
    return callable(getattr(value, "describe", None)) and not isinstance(value, type)


def looks_of(alias: str, value: LooksDescriptor | str) -> LooksDescriptor:
    """Return the descriptor of looks; requires the extra ``engine``.

    Args:
        alias: alias of the collection.
        value: the option's value: an object that ``describes()``, or its dotted path.

    Raises:
        ImproperlyConfigured: the path cannot be imported, or is not a descriptor.
        MissingExtra: it is a model, and onnxruntime is not installed.
    """
    looks = _named(alias, value)
    if _lacks_runtime(looks):
        raise MissingExtra("The model for looks", "onnx")
    return looks


def check_looks(alias: str, value: LooksDescriptor | str) -> list[CheckMessage]:
    """Check the option, for ``manage.py check``; see ``looks_of``."""
    from django_visualsnoop.engine.onnx import OnnxDescriptor  # needs the extra

    try:
        looks = _named(alias, value)
    except ImproperlyConfigured as error:
        return [refused_setting(alias, error)]
    if _lacks_runtime(looks):
        return [
            Error(
                f"VISUALSNOOP[{alias!r}] uses a model for looks, which requires onnxruntime.",
                hint='Type: python -m pip install "django-visualsnoop[onnx]"',
                id="visualsnoop.E012",
            )
        ]
    if isinstance(looks, OnnxDescriptor) and not os.access(looks.path, os.R_OK):
        return [
            Error(
                f"VISUALSNOOP[{alias!r}] uses the model {looks.path} for looks, which cannot be "
                "read.",
                hint="Create the ONNX file, make it readable for this user, or correct the path.",
                id="visualsnoop.E017",
            )
        ]
    return _try_once(alias, looks)


def _try_once(alias: str, looks: LooksDescriptor) -> list[CheckMessage]:
    """Test a model with a small picture."""
    import numpy as np

    from django_visualsnoop.engine.onnx import OnnxDescriptor

    pixels = np.zeros((_SIDE, _SIDE, 3), dtype=np.uint8)
    pixels[: _SIDE // 2] = 255
    try:
        if isinstance(looks, OnnxDescriptor):
            looks.try_once(pixels)
        else:
            looks.identity.encode()
            looks.describe(pixels).tobytes()
    except Exception as error:  # noqa: BLE001 -- a model may raise anything
        return [
            Error(
                f"VISUALSNOOP[{alias!r}] uses a model for looks that fails for a picture of "
                f"{_SIDE} x {_SIDE} pixels: {type(error).__name__}: {error}",
                hint=(
                    'In OPTIONS["looks"], set the size, mean and std that the model was trained '
                    "with, or remove looks."
                ),
                id="visualsnoop.E021",
            )
        ]
    return []


def _named(alias: str, value: LooksDescriptor | str) -> LooksDescriptor:
    if not isinstance(value, str):
        return value
    where = f'VISUALSNOOP["{alias}"]["OPTIONS"]["looks"]'
    try:
        looks = import_string(value)
    except ImportError as error:
        raise ImproperlyConfigured(f"{where}: could not import {value!r}: {error}.") from error
    if not describes(looks):
        raise ImproperlyConfigured(
            f"{where} must be the dotted path of an OnnxDescriptor, but {value!r} is a "
            f"{type(looks).__name__}."
        )
    return cast("LooksDescriptor", looks)


def _lacks_runtime(looks: LooksDescriptor) -> bool:
    from django_visualsnoop.engine.onnx import OnnxDescriptor  # needs the extra

    return isinstance(looks, OnnxDescriptor) and not importlib.util.find_spec("onnxruntime")
