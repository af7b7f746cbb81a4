"""Pictures for tests, whole and damaged."""

import functools
import io
import struct
import zlib

from PIL import Image

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}


def picture(kind: str = "PNG", size: tuple[int, int] = (32, 24)) -> bytes:
    """A picture with something in it, so that it does not shrink to nothing when it is compressed."""
    image = Image.effect_noise(size, 60).convert("P" if kind == "GIF" else "RGB")
    out = io.BytesIO()
    image.save(out, format=kind)
    return out.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A small PNG file whose header says that it is large when unpacked."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


@functools.cache
def bombs() -> dict[str, bytes]:
    """Small files that are gigabytes when unpacked: a real one, and headers that claim it."""
    side = 18_000
    rows = zlib.compress(bytes((side + 7) // 8 + 1) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    whole_png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    text = _chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100_000_000), 9))
    small = struct.pack(">IIBBBBB", 8, 8, 1, 0, 0, 0, 0)
    texts = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", small) + text * 3 + _chunk(b"IEND", b"")
    lossless = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(65)
    chunk = b"VP8L" + struct.pack("<I", len(lossless)) + lossless
    webp = b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk
    screen = struct.pack("<HH", 65535, 65535)
    gif = b"GIF89a" + screen + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + screen + b"\0\2\2\x44\1\0;"
    jpeg = bytearray(picture("JPEG"))
    at = jpeg.find(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return {"PNG": whole_png, "texts of a PNG": texts, "WEBP": webp, "GIF": gif, "JPEG": bytes(jpeg)}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
