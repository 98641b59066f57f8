"""When a camera took a picture."""

from __future__ import annotations

import random
import struct
import tracemalloc
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin, features

from django_visualsnoop.engine.images import capture
from django_visualsnoop.engine.images.capture import Capture, read_capture, tell_apart
from django_visualsnoop.engine.images.decode import Picture, decode
from django_visualsnoop.engine.images.formats.heif_items import find_exif
from tests.engine.images.corners import assert_corners, corners
from tests.engine.images.formats.test_heif import heic
from tests.engine.pictures import saved

MAKE, MODEL, CAMERA_TAGS = 0x010F, 0x0110, 0x8769
TIME, SUBSECONDS, SERIAL, FILE_SOURCE = 0x9003, 0x9291, 0xA431, 0xA300
TAKEN = "2024:07:14 15:30:05"


def exif_of(
    *,
    make: str | None = "Example",
    model: str | None = "Example X100",
    taken: str | None = TAKEN,
    subseconds: str | None = "250",
    **own: Any,
) -> Image.Exif:
    """Return EXIF as a camera writes it; a value of ``None`` leaves a tag out."""
    exif = Image.Exif()
    for tag, value in ((MAKE, make), (MODEL, model), (0x0132, "2025:01:01 00:00:00")):
        if value is not None:
            exif[tag] = value
    inner = exif.get_ifd(CAMERA_TAGS)
    for tag, value in ((TIME, taken), (SUBSECONDS, subseconds), *own.get("others", {}).items()):
        if value is not None:
            inner[tag] = value
    return exif


def block_of(**values: Any) -> bytes:
    return exif_of(**values).tobytes()


def read(**values: Any) -> Capture | None:
    return read_capture(block_of(**values))


def write(kind: str, exif: Image.Exif) -> bytes:
    if kind == "HEIF":
        return heic(corners(), exif=exif.tobytes())
    if kind == "TIFF":  # of which Pillow writes no inner directory from ``exif``
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in exif.items():
            tags[tag] = value
        if inner := exif.get_ifd(CAMERA_TAGS):
            tags[CAMERA_TAGS] = dict(inner)
        return saved(corners(), kind, tiffinfo=tags)
    return saved(corners(), kind, exif=exif)


def hand_made(order: str, *entries: tuple[int, int, int, bytes]) -> bytes:
    """Return a TIFF structure of one directory: tag, type, count and the four bytes of each."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "LH", 8, len(entries))
    return start + b"".join(
        struct.pack(order + "HHL", tag, kind, count) + value for tag, kind, count, value in entries
    )


KINDS = ["JPEG", "TIFF", "PNG", "WEBP", "HEIF", *(["AVIF"] if features.check("avif") else [])]


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_that_has_exif(kind: str) -> None:
    taken = datetime(2024, 7, 14, 15, 30, 5, 250_000, tzinfo=UTC)
    found = decode(write(kind, exif_of())).capture
    assert found is not None
    assert found.time == round(taken.timestamp() * 10**6)
    assert found.digits == 3
    assert found == read()
    assert decode(write(kind, Image.Exif())).capture is None


@pytest.mark.parametrize("kind", ["GIF", "BMP"])
def test_formats_without_exif(kind: str) -> None:
    assert decode(saved(corners(), kind)).capture is None


@pytest.mark.parametrize("order", ["<", ">"])
def test_orders_of_bytes_and_types_of_offsets(order: str) -> None:
    for offset_type in (4, 13):
        outer = hand_made(
            order,
            (MAKE, 2, 3, b"Ex\0\0"),
            (CAMERA_TAGS, offset_type, 1, struct.pack(order + "L", 38)),
        )
        text = TAKEN.encode() + b"\0"
        inner = struct.pack(order + "HHHLL", 1, TIME, 2, len(text), 38 + 2 + 12 + 4)
        assert len(outer) == 34
        block = outer + bytes(4) + inner + bytes(4) + text
        found = read_capture(block)
        assert found is not None
        assert found == read_capture(b"Exif\0\0" + block)
        assert datetime.fromtimestamp(found.time / 10**6, UTC).hour == 15


@pytest.mark.parametrize(
    "taken",
    [
        None,
        "",
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2024:13:01 00:00:00",
        "2024:02:30 00:00:00",
        "2024:07:14 24:00:00",
        "2024:07:14 15:30:60",
        "2024-07-14 15:30:05",
        "2024:07:14",
        "9999:99:99 99:99:99",
        "\u0662\u0660\u0662\u0664:07:14 15:30:05",
        "1970:01:01 00:00:00",  # a clock that nobody set
        "1955:06:01 12:00:00",  # entered by hand for a scan
        "yesterday",
        "2024:07:14 15:30:05" * 1000,
    ],
)
def test_times_that_cannot_be(taken: str | None) -> None:
    exif = exif_of(taken=None)
    if taken is not None:
        exif.get_ifd(CAMERA_TAGS)[TIME] = taken.encode()
    assert read_capture(exif.tobytes()) is None
    picture = decode(saved(corners(), "PNG", exif=exif))
    assert picture.capture is None


def test_a_file_must_name_a_camera() -> None:
    assert read(make=None, model=None) is None
    assert read(make="   ", model=" ") is None
    assert read(make=None) is not None
    assert read(model=None) is not None


@pytest.mark.parametrize("source", [b"\1", b"\2"])
def test_scanners_are_no_cameras(source: bytes) -> None:
    assert read(others={FILE_SOURCE: source}) is None
    assert read(others={FILE_SOURCE: b"\3"}) == read()


def test_the_camera() -> None:
    one, padded = read(), read(make="EXAMPLE ", model="example  x100" + "\0" * 200)
    assert one is not None
    assert one == padded
    assert 0 <= one.camera < 2**32
    other = read(model="Example X200")
    assert other is not None
    assert other.camera != one.camera
    swapped = read(make="Example X100", model="Example")
    assert swapped is not None
    assert swapped.camera != one.camera
    # It says nothing about whose camera this is.
    assert read(others={SERIAL: "12345"}) == one


@pytest.mark.parametrize(
    ("subseconds", "microseconds", "digits"),
    [
        (None, 0, 0),
        ("", 0, 0),
        ("  ", 0, 0),
        ("00", 0, 0),
        ("000000", 0, 0),
        ("5", 500_000, 1),
        ("05", 50_000, 2),
        ("25 ", 250_000, 2),
        ("860627", 860_627, 6),
        ("860627999", 860_627, 6),
        ("-5", 0, 0),
        ("4e2", 0, 0),
    ],
)
def test_parts_of_a_second(subseconds: str | None, microseconds: int, digits: int) -> None:
    found = read(subseconds=subseconds)
    assert found is not None
    assert found.time % 10**6 == microseconds
    assert found.digits == digits


def test_packing() -> None:
    for one in (read(), Capture(-(2**63), 2**32 - 1, 6), Capture(2**63 - 1, 0, 0)):
        assert one is not None
        packed = one.pack()
        assert len(packed) == capture.PACKED_SIZE == 13
        assert Capture.unpack(packed) == one
    for wrong in (b"", bytes(12), bytes(14), bytes(12) + b"\7"):
        with pytest.raises(ValueError, match="not a packed capture"):
            Capture.unpack(wrong)


def shot(second: float, *, camera: int = 1, digits: int = 3) -> Capture:
    return Capture(round(second * 10**6), camera, digits)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (shot(5.25), shot(5.25), False),
        (shot(5.25), shot(5.26), True),
        (shot(5, digits=0), shot(6, digits=0), True),
        # An export leaves out digits.
        (shot(5.25), shot(5, digits=0), False),
        (shot(5.99), shot(5, digits=0), False),
        (shot(5.25), shot(6, digits=0), True),
        (shot(5.257), shot(5.2, digits=1), False),
        (shot(5.257), shot(5.3, digits=1), True),
        # Software writes another name of the camera.
        (shot(5.25), shot(5.25, camera=2), False),
        (shot(5.25), shot(5.26, camera=2), True),
        # The clock is corrected by a time zone.
        (shot(5.25), shot(5.25 + 3600), False),
        (shot(5.25), shot(5.25 + 5.75 * 3600), False),
        (shot(5.25), shot(5.25 + 14 * 3600), False),
        (shot(5.25), shot(5 + 3600, digits=0), False),
        (shot(5.25), shot(5.25 + 14.25 * 3600), True),
        (shot(5.25), shot(5.25 + 3601), True),
        (shot(5.25), shot(5.26 + 3600), True),
        (shot(5.25), shot(5.25 + 600), True),
        (shot(5.25), shot(5.25 + 3600, camera=2), True),
        (shot(5.25), None, False),
        (None, None, False),
    ],
)
def test_telling_apart(one: Capture | None, other: Capture | None, expected: bool) -> None:
    assert tell_apart(one, other) is expected
    assert tell_apart(other, one) is expected


def test_hostile_blocks_cost_little() -> None:
    text = (TIME, 2, 2**32 - 1, struct.pack("<L", 8))
    loop = (CAMERA_TAGS, 4, 1, struct.pack("<L", 8))
    for block in (
        hand_made("<", *[text] * 65_535),
        hand_made("<", loop, text),
        hand_made("<", *[loop] * 65_535),
        hand_made("<", (CAMERA_TAGS, 4, 1, b"\xff" * 4)),
        hand_made("<", (MAKE, 2, 2**32 - 1, b"\xff" * 4)),
    ):
        long = block + b"x" * 10_000_000
        tracemalloc.start()
        assert read_capture(long) is None
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200_000


def test_broken_blocks_stop_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    dice = random.Random(20261124)
    block = block_of()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(3000):
            broken = bytearray(block)
            for _ in range(dice.randint(1, 8)):
                broken[dice.randrange(len(broken))] = dice.choice([0, 1, 255, dice.randrange(256)])
            content = bytes(broken[: dice.randint(0, len(broken))])
            found = read_capture(content)
            assert found is None or Capture.unpack(found.pack()) == found
            if number % 100 == 0:
                assert_corners(
                    saved(corners(), "JPEG", quality=95, exif=b"Exif\0\0" + content), tolerance=30
                )
    assert caught == []
    assert capfd.readouterr() == ("", "")


def test_broken_boxes_stop_nothing() -> None:
    content = heic(corners(), exif=block_of())
    head = content[: content.index(b"mdat")]
    dice = random.Random(20261124)
    for _ in range(3000):
        broken = bytearray(head)
        for _ in range(dice.randint(1, 4)):
            broken[dice.randrange(len(broken))] = dice.choice([0, 1, 255, dice.randrange(256)])
        assert isinstance(find_exif(bytes(broken)), bytes)
    for length in range(len(content)):
        find_exif(content[:length])


def boxes(data: bytes, version: int) -> bytes:
    """Return HEIF's boxes with EXIF as the second of two items, whose data is in ``idat``."""

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">L4s", 8 + len(content), name) + content

    wide = "L" if version == 2 else "H"
    infe_version = 3 if version == 2 else 2
    infos = [
        box(b"infe", bytes([infe_version, 0, 0, 0]) + struct.pack(f">{wide}H4s", number, 0, kind))
        for number, kind in ((1, b"hvc1"), (2, b"Exif"))
    ]
    item = struct.pack(">L", 6) + b"Exif\0\0" + data
    places = b"".join(
        struct.pack(f">{wide}HHQHLL", number, 1, 0, 3, extents, 0, len(item)) + bytes(8 * more)
        for number, extents, more in ((1, 2, 1), (2, 1, 0))
    )
    iloc = bytes([version, 0, 0, 0, 0x44, 0x80]) + struct.pack(f">{wide}", 2) + places
    return box(b"ftyp", b"heic\0\0\0\0") + box(
        b"meta",
        bytes(4)
        + box(b"iinf", bytes(4) + struct.pack(">H", 2) + b"".join(infos))
        + box(b"iloc", iloc)
        + box(b"idat", b"###" + item),
    )


@pytest.mark.parametrize("version", [1, 2])
def test_exif_beside_the_boxes_of_the_picture(version: int) -> None:
    block = block_of()
    assert read_capture(find_exif(boxes(block, version))) == read()
    assert find_exif(boxes(block, version)[:-1]) == b""


def test_a_picture_has_no_capture_unless_given() -> None:
    assert Picture(decode(saved(corners(), "PNG")).pixels, 1, 1).capture is None
