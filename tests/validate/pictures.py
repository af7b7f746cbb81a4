"""Pictures for tests, whole and damaged."""

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


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
