"""The option ``embedding``, and its checks named after their ids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_visualsnoop import checks
from django_visualsnoop.collections.local import LocalCollection
from django_visualsnoop.engine import onnx
from django_visualsnoop.engine.onnx import OnnxEmbedding
from django_visualsnoop.exceptions import MissingExtra
from tests.checking import only
from tests.embeddings import HALF, colour_model

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import Settings


def test_e012_names_the_extra_of_a_model(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def found(name: str) -> object:
        return None if name == "onnxruntime" else object()

    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": colour_model(tmp_path)}}}
    assert checks.check_collections() == []
    monkeypatch.setattr("importlib.util.find_spec", found)
    message = only(checks.check_collections(), "visualsnoop.E012")
    assert "django-visualsnoop[onnx]" in (message.hint or "")
    with pytest.raises(MissingExtra, match=r"django-visualsnoop\[onnx\]"):
        LocalCollection("default", settings.VISUALSNOOP["default"])


def test_e017(settings: Settings, tmp_path: Path) -> None:
    embedding = OnnxEmbedding(tmp_path / "gone.onnx", 224, HALF, HALF)
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
    assert "gone.onnx" in only(checks.check_collections(), "visualsnoop.E017").msg


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (224, "must be an embedding model, the dotted path of one, or None, not 224."),
        ("tests.embeddings.MISSING", "could not import 'tests.embeddings.MISSING': Module"),
        (
            "tests.embeddings.RED",
            "must be the dotted path of an embedding model, but 'tests.embeddings.RED' is a ",
        ),
        (OnnxEmbedding, "must be an embedding model"),
    ],
)
def test_e016_of_embedding(settings: Settings, embedding: object, message: str) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
    assert message in only(checks.check_collections(), "visualsnoop.E016").msg
    with pytest.raises(ImproperlyConfigured) as caught:
        LocalCollection("default", settings.VISUALSNOOP["default"])
    assert message in str(caught.value)


def test_an_embedding_model_may_be_the_projects_own(settings: Settings) -> None:
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": "tests.embeddings.MEAN_COLOUR"}}}
    assert checks.check_collections() == []
    assert LocalCollection("default", settings.VISUALSNOOP["default"]).longest_call > 240
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": None}}}
    assert checks.check_collections() == []


def test_e021(settings: Settings, tmp_path: Path) -> None:
    right = colour_model(tmp_path)
    for embedding in (right, "tests.embeddings.MEAN_COLOUR"):
        settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
        assert checks.check_collections() == []
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": replace(right, size=9)}}}
    message = only(checks.check_collections(), "visualsnoop.E021")
    assert "does not accept 1 x 3 x 9 x 9 values" in message.msg
    assert "size, mean and std" in (message.hint or "")
    (tmp_path / "text.onnx").write_text("no model")
    text = replace(right, path=tmp_path / "text.onnx")
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": text}}}
    assert "is not an ONNX file" in only(checks.check_collections(), "visualsnoop.E021").msg
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": "tests.embeddings.BROKEN"}}}
    assert "ZeroDivisionError" in only(checks.check_collections(), "visualsnoop.E021").msg


def test_a_check_keeps_no_model_in_memory(settings: Settings, tmp_path: Path) -> None:
    embedding = colour_model(tmp_path, "kept")
    settings.VISUALSNOOP = {"default": {"OPTIONS": {"embedding": embedding}}}
    assert checks.check_collections() == []
    assert str(embedding.path) not in onnx._sessions._values
