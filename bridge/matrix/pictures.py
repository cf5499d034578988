"""Somebody's picture as a small JPEG: what strangers send is read with care, and made anew."""

from __future__ import annotations

import io
import warnings
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from bridge.errors import BadMedia

MAX_BYTES: Final = 10_000_000
"""Of a picture as it was sent."""
MAX_PIXELS: Final = 40_000_000
"""Of a picture unpacked: a small file can hold a very large one."""
SIDE: Final = 1024
"""Of the picture that a model is shown, at most, in pixels."""
_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP")
_QUALITY: Final = 85


def prepared(data: bytes) -> bytes:
    """A JPEG of at most `SIDE` pixels a side, without any metadata. Of an animation the first
    picture. It takes time: do it beside the event loop. Raises BadMedia."""
    if len(data) > MAX_BYTES:
        raise BadMedia(f"The picture is larger than {MAX_BYTES // 1_000_000} MB.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise BadMedia("The picture has too many pixels.")
                picture.draft("RGB", (SIDE, SIDE))
                upright = ImageOps.exif_transpose(picture)
                upright.thumbnail((SIDE, SIDE))
                return _as_jpeg(upright)
    except BadMedia:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError,
            Warning, Image.DecompressionBombError) as error:  # fmt: skip
        raise BadMedia(f"The picture cannot be read ({type(error).__name__}).") from None


def _as_jpeg(picture: Image.Image) -> bytes:
    """What is see-through is white, as on paper."""
    rgba = picture.convert("RGBA")
    paper = Image.new("RGB", rgba.size, "white")
    paper.paste(rgba, mask=rgba.getchannel("A"))
    out = io.BytesIO()
    paper.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
