"""What strangers send as pictures."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bridge.errors import BadMedia
from bridge.matrix.pictures import MAX_BYTES, SIDE, prepared


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 120 if mode in ("L", "P") else None).save(out, kind)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    made = Image.open(io.BytesIO(data))
    assert made.format == "JPEG"
    return made


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_usual_pictures_become_small_jpegs(kind: str, mode: str) -> None:
    if (kind, mode) in {("JPEG", "P")}:
        mode = "L"
    assert opened(prepared(picture(kind, mode=mode))).size == (40, 30)


def test_a_large_picture_is_made_smaller() -> None:
    made = opened(prepared(picture(size=(4000, 1000))))
    assert made.size == (SIDE, SIDE // 4)


def test_what_is_see_through_is_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(out, "PNG")
    assert opened(prepared(out.getvalue())).getpixel((4, 4)) == (255, 255, 255)


def test_where_it_was_taken_is_not_passed_on() -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "at home"
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(out, "JPEG", exif=exif)
    data = prepared(out.getvalue())
    assert b"at home" not in data
    assert not opened(data).getexif()
    assert opened(data).size == (30, 40)


def test_an_animation_is_its_first_picture() -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    red, _, blue = opened(prepared(out.getvalue())).getpixel((4, 4))  # type: ignore[misc]
    assert red > 200 > 50 > blue


def bomb(width: int, height: int) -> bytes:
    """A PNG of some bytes that says it is as large as that."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        picture()[:40],
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        bomb(50_000, 50_000),
        bomb(8_000, 8_000),
        b"GIF89a" + b"\xff" * 100,
        b"%PDF-1.4",
        picture("TIFF"),
        b"\0" * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(BadMedia):
        prepared(data)


GOOD = [picture(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP")]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255))))
def test_a_damaged_picture_is_read_or_refused(good: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(good)
    for at, value in changes:
        data[at % len(data)] = value
    try:
        made = opened(prepared(bytes(data)))
    except BadMedia:
        return
    assert max(made.size) <= SIDE
