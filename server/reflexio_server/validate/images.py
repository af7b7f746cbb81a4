"""Whether a file is an image that we take, seen from its header and structure: its pixels are not unpacked."""

import asyncio
import io
import math
from dataclasses import dataclass

import PIL.Image

from reflexio_server.domain.errors import InvalidImage
from reflexio_server.domain.interaction import Image

# Its own limit only warns; ours is below, and nothing is unpacked before it.
PIL.Image.MAX_IMAGE_PIXELS = None

_MIB = 2**20
_MILLION = 1_000_000

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

_WHOLE = "must be an undamaged PNG, JPEG, GIF or WebP file"


@dataclass(frozen=True, slots=True)
class ImageRules:
    """How large an image may be."""

    most_bytes: int
    most_pixels: int

    async def check(self, field: str, data: bytes) -> Image:
        """The image in `data`.

        Raises:
            InvalidImage: It is none of our formats, is damaged, or is too large as a file or unpacked.
        """
        if len(data) > self.most_bytes:
            problem = (
                f"must have at most {self.most_bytes / _MIB:g} MiB, not {_rounded_up(len(data) / _MIB)} MiB "
                "(REFLEXIO_MAX_IMAGE_MB of the server)"
            )
            raise InvalidImage.one(field, "image.max_bytes", problem)
        return await asyncio.to_thread(self._open, field, data)

    def _open(self, field: str, data: bytes) -> Image:
        file = io.BytesIO(data)
        try:
            with PIL.Image.open(file, formats=_FORMATS) as picture:
                width, height = picture.size
                kind = str(picture.format)
                header_end = file.tell()
                fits = width * height <= self.most_pixels
                if fits:
                    picture.verify()
        except Exception:  # noqa: BLE001 -- Pillow raises whatever a damaged file makes it stumble over.
            # Without its cause, which nobody has to look into: the server logs those of its own troubles.
            raise InvalidImage.one(field, "image.format", _WHOLE) from None
        if not fits:
            problem = (
                f"must have at most {self.most_pixels / _MILLION:g} million pixels, not "
                f"{_rounded_up(width * height / _MILLION)} million "
                "(REFLEXIO_MAX_IMAGE_MEGAPIXELS of the server)"
            )
            raise InvalidImage.one(field, "image.max_pixels", problem)
        if not _has_end(kind, data, header_end):
            raise InvalidImage.one(field, "image.format", _WHOLE)
        return Image(data, PIL.Image.MIME[kind])


def _rounded_up(number: float) -> str:
    """With two decimals at most, so that what is above a limit looks like it."""
    return f"{math.ceil(number * 100) / 100:,.12g}"


def _has_end(kind: str, data: bytes, header_end: int) -> bool:
    """Whether a file of a format of which Pillow verifies only the beginning was not cut off."""
    if kind == "JPEG":
        # Compressed pixels hold no markers, so this is the end of the picture, and not that of a thumbnail before it.
        return data.find(b"\xff\xd9", header_end) != -1
    return kind != "GIF" or data.rstrip(b"\0\r\n").endswith(b";")
