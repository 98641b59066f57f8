"""Every language has all texts with their placeholders, and the compiled files are current."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import call_command

import django_visualsnoop

PACKAGE = Path(django_visualsnoop.__file__).parent
LANGUAGES = ("de", "es", "fr", "ja", "zh_Hans")
#: How to mend what these tests find.
HINT = "type: make messages"

#: A quoted text, and its continuations.
_TEXT = r'("(?:[^"\\]|\\.)*"(?:\n"(?:[^"\\]|\\.)*")*)'
_PLACEHOLDERS = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}|</?\w+>")


@dataclass(frozen=True)
class Message:
    """One message of a file: ``msgctxt``, ``msgid`` and ``msgid_plural``, and its translations."""

    key: tuple[str, str, str]
    translations: tuple[str, ...]
    is_fuzzy: bool


def read_messages(path: Path) -> list[Message]:
    """Return the messages of a file; the first is its header."""
    return [_parse(block) for block in path.read_text().split("\n\n") if "\nmsgid " in f"\n{block}"]


def _parse(block: str) -> Message:
    texts = {
        name: "".join(ast.literal_eval(line) for line in quoted.splitlines())
        for name, quoted in re.findall(rf"^(msg[\w\[\]]+) {_TEXT}", block, re.MULTILINE)
    }
    return Message(
        key=(texts.pop("msgctxt", ""), texts.pop("msgid"), texts.pop("msgid_plural", "")),
        translations=tuple(texts.values()),
        is_fuzzy=re.search(r"^#,.*\bfuzzy\b", block, re.MULTILINE) is not None,
    )


@pytest.fixture(params=LANGUAGES)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = PACKAGE / "locale" / request.param / "LC_MESSAGES"
    if not found.is_dir():
        pytest.skip(f"There are no translations in {found}.")
    return found


def test_no_text_is_untranslated(folder: Path) -> None:
    assert "\n#~" not in (folder / "django.po").read_text(), f"obsolete texts; {HINT}"
    header, *messages = read_messages(folder / "django.po")
    (count,) = re.findall(r"nplurals=(\d+);", header.translations[0])
    for message in messages:
        wanted = int(count) if message.key[2] else 1
        assert len(message.translations) == wanted, message
        assert all(message.translations), f"{message} is not translated"
        assert not message.is_fuzzy, f"check the translation of {message}"


def test_no_placeholder_is_lost_or_invented(folder: Path) -> None:
    for message in read_messages(folder / "django.po")[1:]:
        _context, singular, plural = message.key
        allowed = [_find_placeholders(text) for text in (singular, plural or singular)]
        for text in message.translations:
            assert _find_placeholders(text) in allowed, message
        # A language without a plural has one text for all counts.
        assert _find_placeholders(message.translations[-1]) == allowed[-1], message


def _find_placeholders(text: str) -> Counter[str]:
    return Counter(_PLACEHOLDERS.findall(text))


@pytest.mark.service("gettext")
def test_every_text_of_the_code_has_a_translation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("locale", "data", "static"))
    (copy / "locale" / "de").mkdir(parents=True)
    monkeypatch.chdir(copy)
    call_command("makemessages", locale=["de"], verbosity=0)
    extracted = read_messages(copy / "locale" / "de" / "LC_MESSAGES" / "django.po")
    in_code = {message.key for message in extracted[1:]}
    assert len(in_code) > 500
    for folder in (PACKAGE / "locale").iterdir():
        messages = read_messages(folder / "LC_MESSAGES" / "django.po")
        assert {message.key for message in messages[1:]} == in_code, f"{folder.name}: {HINT}"


@pytest.mark.service("gettext")
def test_compiled_files_are_current(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "django.po"
    command = ["msgunfmt", "--output-file", str(output), str(folder / "django.mo")]
    subprocess.run(command, check=True)
    compiled, written = (
        {message.key: message.translations for message in read_messages(path)[1:]}
        for path in (output, folder / "django.po")
    )
    assert compiled == written, HINT
