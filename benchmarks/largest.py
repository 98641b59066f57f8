"""Time and memory of the largest pictures that are allowed, drawn on the spot, by format.

python -m benchmarks.largest
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from tests.fuzz.pictures import machine

#: What one child does: the peak of a process counts what was freed, too.
_CHILD = """
import sys, time
from pathlib import Path
from django_visualsnoop.engine.images.decode import decode
from tests.fuzz.pictures import resident
decode(Path(sys.argv[1]).with_name("small").read_bytes())
data = Path(sys.argv[1]).read_bytes()
Path("/proc/self/clear_refs").write_text("5")
held, begun = resident("VmRSS"), time.perf_counter()
picture = decode(data)
seconds = time.perf_counter() - begun
print(f"{picture.width}x{picture.height} {seconds:.2f} {(resident('VmHWM') - held) / 2**20:.0f}")
"""

_KINDS: dict[str, tuple[str, tuple[int, int], str, dict[str, Any]]] = {
    "JPEG baseline, 300 MP": ("JPEG", (20_000, 15_000), "RGB", {}),
    "JPEG progressive": ("JPEG", (10_000, 7_500), "RGB", {"progressive": True, "subsampling": 0}),
    "JPEG progressive, CMYK": ("JPEG", (10_000, 7_500), "CMYK", {"progressive": True}),
    "PNG": ("PNG", (10_000, 7_500), "RGB", {"compress_level": 1}),
    "PNG, alpha": ("PNG", (10_000, 7_500), "RGBA", {"compress_level": 1}),
    "PNG, 16 bits": ("PNG", (10_000, 7_500), "I;16", {"compress_level": 1}),
    "PNG, palette with alpha": ("PNG", (10_000, 7_500), "P", {"transparency": 1}),
    "GIF, transparent": ("GIF", (10_000, 7_500), "P", {"transparency": 1}),
    "WebP": ("WEBP", (10_000, 7_500), "RGB", {"method": 0}),
    "WebP, lossless, alpha": ("WEBP", (10_000, 7_500), "RGBA", {"lossless": True, "method": 0}),
    "TIFF, LZW": (
        "TIFF",
        (10_000, 7_500),
        "RGB",
        {"compression": "tiff_lzw", "tiffinfo": {317: 2}},
    ),
    "TIFF, deflate, CMYK": ("TIFF", (10_000, 7_500), "CMYK", {"compression": "tiff_deflate"}),
    "BMP, palette": ("BMP", (8_000, 6_100), "P", {}),
    "AVIF": ("AVIF", (10_000, 7_500), "RGB", {"speed": 10}),
}


def measure() -> None:
    """Print the table."""
    print(f"{'format':28}{'file':>10}  {'picture':14}{'seconds':>8}{'MiB':>7}")
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (600, 600)).save(Path(folder) / "small", "PNG")
        for name, (kind, size, mode, options) in _KINDS.items():
            if kind != "AVIF" or features.check("avif"):
                path = Path(folder) / "picture"
                flat = kind in ("PNG", "TIFF") or "lossless" in options
                _scene(size, mode, flat).save(path, kind, **options)
                _report(name, path)
        path.write_bytes(_many_scans())
        _report("JPEG, 900 scans of 1.5 MP", path)
        path.write_bytes(_bitfields())
        _report("BMP, 5-6-5 bits, 25 MP", path)
        path.write_bytes(_runs())
        _report("BMP in runs, 2 MP", path)


def _scene(size: tuple[int, int], mode: str, flat: bool) -> Image.Image:
    """Return a picture that packs into less than the bytes that are allowed."""
    noise = np.random.default_rng(1).integers(0, 255, (size[1] // 50, size[0] // 50, 3), np.uint8)
    resampling = Image.Resampling.NEAREST if flat else Image.Resampling.BILINEAR
    image = Image.fromarray(noise).resize(size, resampling)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    if mode == "P":
        return image.quantize(32, Image.Quantize.FASTOCTREE)
    if mode == "RGBA":
        image.putalpha(image.getchannel("R"))
    return image.convert(mode)


def _many_scans() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1220, 1220)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    scan = content.rindex(b"\xff\xda")
    return content[:-2] + content[scan:-2] * 890 + content[-2:]


def _bitfields() -> bytes:
    """Return a BMP of which Pillow does not unpack the pixels; its bytes are the limit."""
    width, height = 5_500, 4_500
    pixels = np.random.default_rng(1).bytes(width * height * 2)
    information = struct.pack("<LllHHLLllLL", 40, width, height, 1, 16, 3, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<LLL", 0xF800, 0x7E0, 0x1F)
    return struct.pack("<2sLHHL", b"BM", 66 + len(pixels), 0, 0, 66) + information + masks + pixels


def _runs() -> bytes:
    runs = (b"\1\1" * 700 + b"\xff\1" * 3 + b"\0\0") * 1300 + b"\0\1"
    information = struct.pack("<LllHHLLllLL", 40, 1465, 1300, 1, 8, 1, len(runs), 0, 0, 2, 0)
    palette = bytes([30, 30, 220, 0, 0, 0, 0, 0])
    return struct.pack("<2sLHHL", b"BM", 62 + len(runs), 0, 0, 62) + information + palette + runs


def _report(name: str, path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path)],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    size, seconds, memory = answer.stdout.split() or [
        answer.stderr.strip().splitlines()[-1],
        "-",
        "-",
    ]
    print(f"{name:28}{path.stat().st_size:>10,}  {size:14}{seconds:>8}{memory:>7}", flush=True)


if __name__ == "__main__":
    print(machine())
    measure()
