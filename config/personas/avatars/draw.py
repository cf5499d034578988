"""Draws the avatars beside it: `python draw.py`. Only the standard library is needed."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

SIZE = 256
Colour = tuple[int, int, int]
Shape = Callable[[float, float], float]
"""Signed distance to the outline in pixels, negative inside."""
Layer = tuple[Shape, Colour]


def circle(cx: float, cy: float, radius: float) -> Shape:
    return lambda x, y: math.hypot(x - cx, y - cy) - radius


def ellipse(cx: float, cy: float, rx: float, ry: float) -> Shape:
    return lambda x, y: (math.hypot((x - cx) / rx, (y - cy) / ry) - 1) * min(rx, ry)


def box(cx: float, cy: float, width: float, height: float, radius: float = 0) -> Shape:
    def distance(x: float, y: float) -> float:
        dx = abs(x - cx) - width / 2 + radius
        dy = abs(y - cy) - height / 2 + radius
        return math.hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - radius

    return distance


def polygon(cx: float, cy: float, radius: float, corners: int, turn: float = 0) -> Shape:
    """A regular one; `turn` in radians."""
    apothem = radius * math.cos(math.pi / corners)
    sector = 2 * math.pi / corners

    def distance(x: float, y: float) -> float:
        angle = (math.atan2(y - cy, x - cx) - turn) % sector - sector / 2
        return math.hypot(x - cx, y - cy) * math.cos(angle) - apothem

    return distance


def spark(cx: float, cy: float, radius: float) -> Shape:
    """A star with four thin points."""

    def distance(x: float, y: float) -> float:
        dx, dy = abs(x - cx) / radius, abs(y - cy) / radius
        return (math.sqrt(dx) + math.sqrt(dy) - 1) * radius * 0.45

    return distance


def arc(cx: float, cy: float, radius: float, width: float, start: float, end: float) -> Shape:
    """A stroke along a circle, in degrees clockwise from the right, with round ends."""
    middle, half = math.radians((start + end) / 2), math.radians((end - start) / 2)

    def distance(x: float, y: float) -> float:
        dx, dy = x - cx, y - cy
        angle = (math.atan2(dy, dx) - middle + math.pi) % (2 * math.pi) - math.pi
        if abs(angle) <= half:
            return abs(math.hypot(dx, dy) - radius) - width / 2
        edge = middle + math.copysign(half, angle)
        ends = (radius * math.cos(edge), radius * math.sin(edge))
        return math.hypot(dx - ends[0], dy - ends[1]) - width / 2

    return distance


def both(*shapes: Shape) -> Shape:
    return lambda x, y: max(shape(x, y) for shape in shapes)


def any_of(*shapes: Shape) -> Shape:
    return lambda x, y: min(shape(x, y) for shape in shapes)


def without(shape: Shape, hole: Shape) -> Shape:
    return lambda x, y: max(shape(x, y), -hole(x, y))


def below(edge: float) -> Shape:
    return lambda _x, y: edge - y


def luna() -> tuple[Colour, list[Layer]]:
    night, deep, moon, shade, ink = (
        (38, 36, 92), (28, 26, 70), (250, 226, 150), (236, 200, 112), (60, 48, 90),
    )  # fmt: skip
    disc, bite = circle(120, 128, 86), circle(168, 104, 74)
    white = (255, 250, 230)
    return night, [
        (circle(120, 128, 112), deep),
        (without(disc, bite), moon),
        (both(without(disc, bite), without(disc, circle(126, 122, 82))), shade),
        (arc(74, 122, 11, 5, 20, 160), ink),
        (arc(92, 164, 20, 5, 15, 115), ink),
        (circle(60, 152, 9), (244, 176, 130)),
        (spark(176, 96, 34), white),
        (spark(212, 154, 18), moon),
        (spark(150, 52, 12), moon),
        (circle(218, 54, 4), white),
        (circle(190, 206, 4), white),
        (circle(30, 48, 3.5), white),
        (circle(228, 110, 3), moon),
        (circle(44, 222, 3), moon),
    ]


def nova() -> tuple[Colour, list[Layer]]:
    coral, deep, steel, light, ink, glow = (
        (238, 108, 77), (214, 86, 58), (224, 234, 240), (248, 252, 254), (34, 50, 64),
        (120, 232, 226),
    )  # fmt: skip
    return coral, [
        (polygon(128, 138, 112, 6, math.pi / 6), deep),
        (box(128, 58, 8, 40), ink),
        (spark(128, 34, 27), (255, 224, 120)),
        (polygon(128, 144, 94, 6, math.pi / 6), ink),
        (polygon(128, 144, 86, 6, math.pi / 6), steel),
        (both(polygon(128, 144, 86, 6, math.pi / 6), without(below(60), below(112))), light),
        (box(128, 136, 128, 56, 28), ink),
        (circle(98, 136, 14), glow),
        (circle(158, 136, 14), glow),
        (circle(102, 131, 4), light),
        (circle(162, 131, 4), light),
        (arc(128, 172, 20, 6, 25, 155), ink),
        (circle(64, 182, 5), ink),
        (circle(192, 182, 5), ink),
    ]


def milo() -> tuple[Colour, list[Layer]]:
    sage, deep, bowl, rim, soup, ink, cream = (
        (122, 158, 126), (98, 134, 106), (200, 84, 60), (224, 116, 84), (246, 190, 92),
        (70, 42, 36), (250, 240, 220),
    )  # fmt: skip
    body = both(circle(128, 128, 88), below(128))
    steam = [
        any_of(arc(x, 74, 13, 8, 90, 270), arc(x, 48, 13, 8, -90, 90)) for x in (92.0, 128.0, 164.0)
    ]
    return sage, [
        (circle(128, 128, 114), deep),
        *((wave, cream) for wave in steam),
        (box(128, 216, 84, 18, 9), ink),
        (body, bowl),
        (ellipse(128, 128, 94, 22), rim),
        (ellipse(128, 127, 82, 15), soup),
        (circle(104, 125, 6), (112, 158, 84)),
        (circle(146, 130, 5), (112, 158, 84)),
        (ellipse(166, 124, 8, 5), (226, 96, 64)),
        (arc(102, 168, 10, 5, 190, 350), ink),
        (arc(154, 168, 10, 5, 190, 350), ink),
        (arc(128, 174, 20, 5, 25, 155), ink),
        (circle(84, 182, 9), rim),
        (circle(172, 182, 9), rim),
    ]


def render(background: Colour, layers: list[Layer]) -> bytes:
    """RGB rows; outlines are blended over one pixel."""
    rows = bytearray()
    for row in range(SIZE):
        for column in range(SIZE):
            red, green, blue = (float(part) for part in background)
            for shape, colour in layers:
                cover = min(1.0, max(0.0, 0.5 - shape(column + 0.5, row + 0.5)))
                if cover:
                    red += (colour[0] - red) * cover
                    green += (colour[1] - green) * cover
                    blue += (colour[2] - blue) * cover
            rows += bytes((round(red), round(green), round(blue)))
    return bytes(rows)


def png(pixels: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    width = SIZE * 3
    scan_lines = b"".join(
        b"\0" + pixels[start : start + width] for start in range(0, len(pixels), width)
    )
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(scan_lines, 9)),
            chunk(b"IEND", b""),
        )
    )


def main() -> None:
    for picture in (luna, nova, milo):
        path = Path(__file__).with_name(f"{picture.__name__}.png")
        path.write_bytes(png(render(*picture())))


if __name__ == "__main__":
    main()
