from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db.models.fields.files import FieldFile, FileField

from django_visualsnoop.client.sources import read_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(b"content")
    return path


def test_paths(path: Path) -> None:
    assert read_image(path) == b"content"
    assert read_image(str(path)) == b"content"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes(kind: type[Any]) -> None:
    content = read_image(kind(b"content"))
    assert content == b"content"
    assert type(content) is bytes


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_image(tmp_path / "nowhere")


def test_a_file_is_read_from_its_start_and_left_open(path: Path) -> None:
    with path.open("rb") as file:
        file.read(3)
        assert read_image(file) == b"content"
        assert not file.closed
    with tempfile.NamedTemporaryFile() as wrapped:
        wrapped.write(b"content")
        assert read_image(wrapped) == b"content"


def test_a_file_that_cannot_seek_is_read_from_where_it_is() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe(b"content")
    pipe.read(3)
    assert read_image(pipe) == b"tent"


@pytest.mark.parametrize("make", [ContentFile, lambda content: SimpleUploadedFile("a", content)])
def test_a_django_file_in_memory_is_read_from_its_start(make: Any) -> None:
    file = make(b"content")
    file.read(3)
    assert read_image(file) == b"content"
    assert read_image(file) == b"content"
    assert not file.closed


def test_a_temporary_upload_stays_open() -> None:
    with TemporaryUploadedFile("a.png", "image/png", 7, None) as upload:
        upload.write(b"content")
        assert read_image(upload) == b"content"
        assert not upload.closed


def test_a_closed_django_file_is_opened_and_closed_again(path: Path) -> None:
    file = File(path.open("rb"))
    file.close()
    assert read_image(file) == b"content"
    assert file.closed


def field_file(name: str | None, folder: Path) -> FieldFile:
    field: Any = FileField(storage=FileSystemStorage(folder), name="photo")
    return FieldFile(None, field, name)  # type: ignore[arg-type]


def test_a_field_file_is_opened_through_its_storage_and_closed_again(path: Path) -> None:
    file = field_file(path.name, path.parent)
    assert read_image(file) == b"content"
    assert file.closed


def test_an_open_field_file_is_left_open(path: Path) -> None:
    with field_file(path.name, path.parent).open() as file:
        file.read(3)
        assert read_image(file) == b"content"
        assert not file.closed


def test_a_field_without_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="photo"):
        read_image(field_file(None, tmp_path))


def test_a_file_in_text_mode_is_refused_before_it_is_read() -> None:
    with pytest.raises(TypeError, match="binary mode"):
        read_image(io.TextIOWrapper(io.BytesIO(b"\x89PNG\xff"), "utf-8"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (None, "NoneType"),
        (3, "int"),
        (object(), "object"),
        (io.StringIO("text"), "StringIO"),
        (ContentFile("text"), "ContentFile"),
    ],
)
def test_anything_else_is_refused_by_its_type(source: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"not {name}"):
        read_image(source)
