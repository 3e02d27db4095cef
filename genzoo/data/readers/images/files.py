"""Read image files with all their pages and all their bits."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageMode, ImageOps, UnidentifiedImageError

from genzoo.config.data import DataSettings
from genzoo.data.value_range import Values
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.typing import Array


class UnreadableImageError(DataError):
    """A file that cannot be read as an image.

    Arguments:
        file: the file.
        reason: why it cannot be read, as a clause.
    """

    def __init__(self, file: Path, reason: str) -> None:
        self.file, self.reason = file, reason.rstrip(".")
        super().__init__(f"{file}: {self.reason}")


@dataclass(frozen=True, slots=True)
class ImagePage:
    """One image of a file.

    Arguments:
        file: the file.
        number: number of the page, from 0.
        of_several: whether the file has several pages.
        pixels: `(C, H, W)`; resized, if a size is set.
        values: facts about the values before resizing.
        shortened: whether values of 16 bits were read with 8.
    """

    file: Path
    number: int
    of_several: bool
    pixels: Array
    values: Values
    shortened: bool

    @property
    def shown(self) -> str:
        """Name of the page, for messages."""
        return f"{self.file}, page {self.number + 1}," if self.of_several else str(self.file)


_MOST_BYTES, _STEEPEST = 2**28, 200
"""Bytes of the pixels of one file: so many, or so many for each of its own bytes."""


_GRAY_MODES = frozenset({"1", "L", "LA", "La"})


def read_pages(file: Path, settings: DataSettings) -> list[ImagePage]:
    """Read all pages of a file, turned upright and resized as the settings say.

    Raises:
        UnreadableImageError: the file is damaged, too large or of another type, or holds a value that is not finite.
    """
    try:
        content = file.read_bytes()  # from a file, Pillow would allocate as many bytes as a part declares
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as opened:
                return list(_pages(file, content, opened, settings))
    except UnidentifiedImageError as error:
        raise UnreadableImageError(file, "its content is not an image that Pillow can read") from error
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        pass_out_of_memory(error)
        raise UnreadableImageError(file, str(error) or type(error).__name__) from error


def _pages(file: Path, content: bytes, opened: Image.Image, settings: DataSettings) -> Iterator[ImagePage]:
    # The further pictures of a camera's MPO file are previews of the first.
    count = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
    _check_pixels(len(content), count * opened.width * opened.height * _pixel_bytes(opened))
    for number in range(count):
        opened.seek(number)
        wide = _wide_colors(content, opened) if number == 0 and count == 1 else None
        shortened = wide is None and _is_wide(opened)
        upright = ImageOps.exif_transpose(opened)
        if wide is not None:
            pixels = _upright(wide, opened)
            if settings.color == "gray":
                pixels = _luma(pixels)
        elif upright.mode == "F" or upright.mode.startswith("I") or _is_signed(opened):
            pixels = _deep(upright, opened)[None]
            if settings.color == "rgb":
                pixels = pixels.repeat(3, axis=0)
        else:
            # Palettes, frames of a GIF and 16-bit gray with transparency come as colors, even if all are gray.
            unsure = opened.mode in ("P", "PA") or opened.format == "GIF" or _raw_mode(opened) == "LA;16B"
            image = _as_bytes(upright, unsure, settings)
            pixels = np.asarray(image)
            pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ValueError("it holds values that are not finite")
        values = Values.of(pixels[None])
        if settings.size is not None:
            pixels = np.stack([_fitted(channel, settings.size) for channel in pixels])
        yield ImagePage(file, number, count > 1, pixels, values, shortened)


def _pixel_bytes(opened: Image.Image) -> int:
    """Return how many bytes a pixel takes, perhaps only while it is put on white."""
    mode = ImageMode.getmode(opened.mode)
    own = len(mode.bands) * np.dtype(mode.typestr).itemsize * (2 if _is_wide(opened) else 1)
    return max(own, 4 if opened.has_transparency_data else 1)


def _check_pixels(size: int, unpacked: int) -> None:
    """Check that a file does not unpack to far more bytes of pixels than it has itself.

    Raises:
        ValueError: it does.
    """
    if unpacked > _MOST_BYTES and unpacked > _STEEPEST * size:
        raise ValueError(f"it would unpack from {size} to {unpacked} bytes of pixels; scale it down, or remove it")


def _fitted(channel: Array, size: int) -> Array:
    image = Image.fromarray(channel if channel.dtype == np.uint8 else channel.astype(np.float32))
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))


def _deep(upright: Image.Image, opened: Image.Image) -> Array:
    """Return the pixels of a gray image in their own number type, which is not unsigned bytes."""
    pixels = np.asarray(upright)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if pixels.dtype == np.int32 and _tiff_type(opened) == (32, 1):
        return pixels.view(np.uint32).astype(np.int64)  # Pillow has no unsigned type of 32 bits
    return pixels.view(np.int8) if _is_signed(opened) else pixels


def _is_signed(opened: Image.Image) -> bool:
    """Return whether an image has signed values of 8 bits, which Pillow reads as unsigned ones."""
    return opened.mode == "L" and _tiff_type(opened) == (8, 2)


def _tiff_type(opened: Image.Image) -> tuple[int, int]:
    """Return bits and format of a TIFF's samples: 1 for unsigned, 2 for signed and 3 for floating point; else 0."""
    tags: Any = getattr(opened, "tag_v2", None)
    if tags is None:
        return 0, 0
    return int(tags.get(258, (1,))[0]), int(tags.get(339, (1,))[0])


def _as_bytes(image: Image.Image, unsure: bool, settings: DataSettings) -> Image.Image:
    """Return an 8-bit image as gray or RGB, on white if it is transparent.

    Arguments:
        unsure: whether the pixels decide if the image is gray, not its mode.
    """
    gray = image.mode in _GRAY_MODES
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    if unsure and not gray:
        image = image.convert("RGB")
        red, green, blue = (np.asarray(channel) for channel in image.split())
        gray = np.array_equal(red, green) and np.array_equal(red, blue)
    if settings.color != "auto":
        gray = settings.color == "gray"
    return image.convert("L" if gray else "RGB")


def _is_wide(opened: Image.Image) -> bool:
    """Return whether a color image has more than 8 bits in its file, which Pillow drops."""
    if opened.mode not in ("RGB", "RGBA", "LA"):
        return False
    return _raw_mode(opened).rpartition(";")[2].startswith("16") or _tiff_type(opened)[0] > 8


def _raw_mode(opened: Image.Image) -> str:
    tiles: Any = getattr(opened, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    return arguments if isinstance(arguments, str) else str(arguments[0]) if arguments else ""


def _wide_colors(content: bytes, opened: Image.Image) -> Array | None:
    """Return the colors of a 16-bit PNG as `(3, H, W)`; `None` for other images.

    Pillow keeps the first of the two bytes of each value. Read as little-endian numbers, the same file gives the other.
    """
    raw = _raw_mode(opened)
    if opened.format != "PNG" or raw not in ("RGB;16B", "RGBA;16B"):
        return None
    halves = []
    for order in ("B", "L"):
        with Image.open(io.BytesIO(content)) as again:
            tile: Any = again.tile[0]
            again.tile = [tile._replace(args=raw[:-1] + order)]
            halves.append(np.asarray(again).astype(np.uint16))
    colors = halves.pop(0)
    colors <<= 8
    colors |= halves.pop()
    if colors.shape[2] == 4:
        paper = 65535.0
        alpha = colors[:, :, 3] / paper
        for place in range(3):  # one color at a time, to save memory
            colors[:, :, place] = np.rint(colors[:, :, place] * alpha + paper * (1 - alpha))
    return colors[:, :, :3].transpose(2, 0, 1)


def _upright(pixels: Array, opened: Image.Image) -> Array:
    """Return `(C, H, W)` turned as the EXIF data of an image say."""
    orientation = opened.getexif().get(0x0112, 1)
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(0, 2, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return pixels


def _luma(pixels: Array) -> Array:
    """Return colors `(3, H, W)` as gray, with the weights of ITU-R 601-2 that Pillow uses."""
    red, green, blue = pixels.astype(np.float64)
    gray: Array = np.rint((299 * red + 587 * green + 114 * blue) / 1000)
    return gray.astype(pixels.dtype)[None]
