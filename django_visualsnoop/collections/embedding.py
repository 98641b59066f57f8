"""The option ``embedding`` of ``LocalCollection``: resolve and check it."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, cast

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_visualsnoop.collections.base import build_refused_setting
from django_visualsnoop.exceptions import MissingExtra

if TYPE_CHECKING:
    from django_visualsnoop.engine.embedding import EmbeddingModel

#: Width and height of the picture with which a check tests a model.
_SIDE = 32


def create_default_model() -> EmbeddingModel:
    """Return the model of the package; requires the extra ``engine``."""
    from django_visualsnoop.engine.lite0 import Lite0Embedding  # needs the extra

    return Lite0Embedding()


def is_embedding_model(value: object) -> bool:
    """Return whether an object can compute embeddings."""
    return callable(getattr(value, "describe", None)) and not isinstance(value, type)


def resolve_embedding_model(alias: str, value: EmbeddingModel | str) -> EmbeddingModel:
    """Return the embedding model; requires the extra ``engine``.

    Args:
        alias: alias of the collection.
        value: the option's value: an embedding model, or its dotted path.

    Raises:
        ImproperlyConfigured: the path cannot be imported, or is not an embedding model.
        MissingExtra: it is an ``OnnxEmbedding``, and onnxruntime is not installed.
    """
    model = _import_model(alias, value)
    if _lacks_runtime(model):
        raise MissingExtra("The embedding model", "onnx")
    return model


def check_embedding(alias: str, value: EmbeddingModel | str) -> list[CheckMessage]:
    """Check the option, for ``manage.py check``; see ``resolve_embedding_model``.

    The model of the package is not run: the package's tests do that.
    """
    from django_visualsnoop.engine.lite0 import Lite0Embedding  # needs the extra
    from django_visualsnoop.engine.onnx import OnnxEmbedding

    try:
        model = _import_model(alias, value)
    except ImproperlyConfigured as error:
        return [build_refused_setting(alias, error)]
    if _lacks_runtime(model):
        return [
            Error(
                f"VISUALSNOOP[{alias!r}] uses an embedding model that requires onnxruntime.",
                hint='Type: python -m pip install "django-visualsnoop[onnx]"',
                id="visualsnoop.E012",
            )
        ]
    if isinstance(model, OnnxEmbedding) and not os.access(model.path, os.R_OK):
        return [
            Error(
                f"VISUALSNOOP[{alias!r}] uses the embedding model {model.path}, which cannot be "
                "read.",
                hint="Create the ONNX file, make it readable for this user, or correct the path.",
                id="visualsnoop.E017",
            )
        ]
    return [] if isinstance(model, Lite0Embedding) else _test_model(alias, model)


def _test_model(alias: str, model: EmbeddingModel) -> list[CheckMessage]:
    """Test a model with a small picture."""
    import numpy as np

    from django_visualsnoop.engine.onnx import OnnxEmbedding

    pixels = np.zeros((_SIDE, _SIDE, 3), dtype=np.uint8)
    pixels[: _SIDE // 2] = 255
    try:
        if isinstance(model, OnnxEmbedding):
            model.try_once(pixels)
        else:
            model.identity.encode()
            model.describe(pixels).tobytes()
    except Exception as error:  # noqa: BLE001 -- a model may raise anything
        return [
            Error(
                f"VISUALSNOOP[{alias!r}] uses an embedding model that fails for a picture of "
                f"{_SIDE} x {_SIDE} pixels: {type(error).__name__}: {error}",
                hint=(
                    'In OPTIONS["embedding"], set the size, mean and std that the model was '
                    "trained with, or remove embedding."
                ),
                id="visualsnoop.E021",
            )
        ]
    return []


def _import_model(alias: str, value: EmbeddingModel | str) -> EmbeddingModel:
    if not isinstance(value, str):
        return value
    where = f'VISUALSNOOP["{alias}"]["OPTIONS"]["embedding"]'
    try:
        model = import_string(value)
    except ImportError as error:
        raise ImproperlyConfigured(f"{where}: could not import {value!r}: {error}.") from error
    if not is_embedding_model(model):
        raise ImproperlyConfigured(
            f"{where} must be the dotted path of an embedding model, but {value!r} is a "
            f"{type(model).__name__}."
        )
    return cast("EmbeddingModel", model)


def _lacks_runtime(model: EmbeddingModel) -> bool:
    from django_visualsnoop.engine.lite0 import Lite0Embedding  # needs the extra
    from django_visualsnoop.engine.onnx import OnnxEmbedding

    required = isinstance(model, OnnxEmbedding) or (
        isinstance(model, Lite0Embedding) and model.run_time == "onnxruntime"
    )
    return required and not importlib.util.find_spec("onnxruntime")
