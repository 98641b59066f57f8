"""The command that asks about pairs, and prints a threshold."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from PIL import Image

from django_visualsnoop.sync.worker import sweep
from tests.collections.contract import image
from tests.fixtures import product
from tests.testapp.models import Product

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db


def tune(folder: Path, *arguments: str) -> str:
    out = io.StringIO()
    page = f"--output={folder / 'pairs.html'}"
    call_command("visualsnoop_tune", "testapp.Product", page, *arguments, stdout=out, verbosity=0)
    return out.getvalue()


@pytest.fixture
def pairs(media: Path) -> list[Product]:
    """Two scenes, each with a copy."""
    rows = []
    for number in (1, 2):
        buffer = io.BytesIO()
        Image.open(io.BytesIO(image(number))).save(buffer, "JPEG")
        copy = Product.objects.create(photo=ContentFile(buffer.getvalue(), "copy.jpg"))
        rows += [product(number), copy]
    sweep(using="default")
    return rows


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answers typed on a terminal."""

    def type_answers(*answers: str) -> None:
        keyboard = io.StringIO("".join(f"{answer}\n" for answer in answers))
        monkeypatch.setattr(keyboard, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", keyboard)

    return type_answers


def test_asked_on_a_terminal(pairs: list[Product], tmp_path: Path, terminal: Any) -> None:
    terminal("maybe", "y", "n")
    labels = tmp_path / "labels.csv"
    told = tune(tmp_path, f"--labels={labels}")
    assert "Wrote 2 pairs to" in told
    assert (tmp_path / "pairs.html").read_text().count("<article") == 2
    assert "Type y, n or q, or nothing." in told
    assert """VISUALSNOOP['default']["OPTIONS"]["min_similarity"] = """ in told
    assert "Of 2 labelled pairs, " in told
    assert "too few labels to rely on: 1 copies and 1 others" in told
    assert [row["label"] for row in csv.DictReader(io.StringIO(labels.read_text()))] == ["y", "n"]


@pytest.mark.parametrize("answers", [("q",), ("", ""), ()])
def test_nothing_said(
    pairs: list[Product], tmp_path: Path, terminal: Any, answers: tuple[str, ...]
) -> None:
    terminal(*answers)
    assert "There are no labels yet" in tune(tmp_path)


def test_without_a_terminal(
    pairs: list[Product], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    labels = tmp_path / "labels.csv"
    assert f"Wrote {labels}. Put y for copies" in tune(tmp_path, f"--labels={labels}", "--pairs=1")
    (row,) = csv.DictReader(io.StringIO(labels.read_text()))
    assert (row["pair"], row["label"]) == ("1", "")
    assert {row["first"], row["second"]} <= {str(one.pk) for one in pairs}


def test_labels_of_a_file(recorder: object, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [*((0.9 + n / 1000, "y") for n in range(10)), *((0.5, "N") for _ in range(10)), (1, "")]
    lines = ["similarity,label", *(f"{similarity},{label}" for similarity, label in rows)]
    labels.write_text("\n".join(lines))
    told = tune(tmp_path, f"--labels={labels}", "--min-similarity=0.4")
    assert '["min_similarity"] = 0.7\n' in told
    assert "Of 20 labelled pairs, 0 would be wrong" in told
    assert "At 0.4, which you started from, 10 would be wrong: 0 copies left out, 10" in told
    assert "between 0% and 16% would be wrong" in told
    assert "too few" not in told


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("similarity,label\n0.5,x", "line 2: the column label must be y or n, not 'x'"),
        ("similarity,label\n2,y", "line 2: the column similarity must be a number from 0 to 1"),
        ("label\ny", "not None"),
    ],
)
def test_labels_that_cannot_be_read(lines: str, message: str, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(lines)
    with pytest.raises(CommandError, match=message):
        tune(tmp_path, f"--labels={labels}", "--min-similarity=0.5")


@pytest.mark.usefixtures("recorder")
def test_arguments_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"'default' does not tell its threshold.*0\.8"):
        tune(tmp_path)
    with pytest.raises(CommandError, match=r"must be between 0 and 1, not 2\.0"):
        tune(tmp_path, "--min-similarity=2")
    with pytest.raises(CommandError, match=r"Choose one model.*: testapp\.Article\.cover, "):
        call_command("visualsnoop_tune")
