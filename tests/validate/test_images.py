"""Files are taken as images when they are whole, of a known format, and of bounded size."""

import io
import re
import resource

import pytest
from PIL import Image
from reflexio_server.domain.errors import InvalidImage
from reflexio_server.validate.images import ImageRules

from tests.validate.pictures import FORMATS, bombs, picture, png_that_claims

RULES = ImageRules(most_bytes=100_000, most_pixels=10_000)


async def broken_rule(data: bytes) -> str:
    with pytest.raises(InvalidImage) as refused:
        await RULES.check("image", data)
    [violation] = refused.value.violations
    assert violation.field == "image"
    return violation.rule


@pytest.mark.parametrize(("kind", "media_type"), FORMATS.items())
async def test_a_whole_file_is_taken_byte_for_byte(kind: str, media_type: str):
    data = picture(kind)
    image = await RULES.check("image", data)
    assert image.media_type == media_type
    assert image.data == data


@pytest.mark.parametrize("data", [b"x", b"\0" * 1000, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n"])
async def test_a_file_of_something_else_is_refused(data: bytes):
    assert await broken_rule(data) == "image.format"


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM"])
async def test_a_format_that_we_do_not_take_is_refused(kind: str):
    out = io.BytesIO()
    Image.new("RGB", (32, 32)).save(out, format=kind)
    assert await broken_rule(out.getvalue()) == "image.format"


@pytest.mark.parametrize("kind", FORMATS)
async def test_the_beginning_of_a_file_is_no_image(kind: str):
    assert await broken_rule(picture(kind)[:20]) == "image.format"


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_file_that_was_cut_off_is_refused(kind: str):
    data = picture(kind, (90, 90))
    assert await broken_rule(data[: len(data) // 2]) == "image.format"


async def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture():
    thumbnail, whole = picture("JPEG", (16, 16)), picture("JPEG", (90, 90))
    segment = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2) + b"Thumb\0" + thumbnail
    with_thumbnail = whole[:2] + segment + whole[2:]
    assert (await RULES.check("image", with_thumbnail)).media_type == "image/jpeg"
    assert await broken_rule(with_thumbnail[:-100]) == "image.format"


@pytest.mark.parametrize("appended", [b"\0\0", b"\r\n"])
@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
async def test_padding_behind_the_end_does_no_harm(kind: str, appended: bytes):
    assert (await RULES.check("image", picture(kind) + appended)).media_type == FORMATS[kind]


async def test_a_png_with_a_wrong_checksum_is_refused():
    data = bytearray(picture("PNG"))
    data[len(data) // 2] ^= 0xFF
    assert await broken_rule(bytes(data)) == "image.format"


async def test_a_file_may_have_so_many_bytes_and_no_more():
    data = picture("PNG", (100, 100))
    exactly = ImageRules(most_bytes=len(data), most_pixels=10_000)
    assert (await exactly.check("image", data)).data == data
    tighter = ImageRules(most_bytes=len(data) - 1, most_pixels=10_000)
    with pytest.raises(InvalidImage) as refused:
        await tighter.check("image", data)
    assert refused.value.violations[0].rule == "image.max_bytes"


async def test_a_refusal_has_no_cause_which_the_server_would_log_as_its_own_trouble():
    with pytest.raises(InvalidImage) as refused:
        await RULES.check("image", b"no picture")
    assert refused.value.__cause__ is None


async def test_what_is_too_large_is_told_in_the_units_of_the_settings():
    rules = ImageRules(most_bytes=2**20, most_pixels=1_000_000)
    for data, told in (
        (bytes(2**20 + 1), "at most 1 MiB, not 1.01 MiB (REFLEXIO_MAX_IMAGE_MB of the server)"),
        (
            png_that_claims(50_000, 1_234),
            "at most 1 million pixels, not 61.7 million (REFLEXIO_MAX_IMAGE_MEGAPIXELS of the server)",
        ),
    ):
        with pytest.raises(InvalidImage, match=re.escape(told)):
            await rules.check("image", data)


async def test_an_image_may_have_so_many_pixels_and_no_more():
    assert (await RULES.check("image", picture("PNG", (100, 100)))).media_type == "image/png"
    assert await broken_rule(picture("PNG", (101, 100))) == "image.max_pixels"


async def test_a_small_file_that_would_be_huge_is_not_unpacked():
    assert await broken_rule(png_that_claims(200_000, 200_000)) == "image.max_pixels"


@pytest.mark.parametrize("name", ["PNG", "texts of a PNG", "WEBP", "GIF", "JPEG"])
async def test_a_small_file_that_is_gigabytes_when_unpacked_is_refused_unopened(name: str):
    data = bombs()[name]
    assert len(data) < 1_000_000
    rules = ImageRules(most_bytes=10_000_000, most_pixels=50_000_000)
    most_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidImage) as refused:
        await rules.check("image", data)
    assert refused.value.violations[0].rule == ("image.format" if "texts" in name else "image.max_pixels")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most_memory < 100_000, "KiB"
